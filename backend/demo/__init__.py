"""`galaxyloop demo`: the whole loop on one machine, from an empty folder to pre-annotated galaxies in a browser."""
