"""The command `galaxyloop`."""
