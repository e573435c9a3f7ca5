"""`galaxyloop demo`: the whole loop on one machine, from nothing to pre-annotated galaxies in a browser."""
