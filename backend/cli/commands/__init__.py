"""The commands of `galaxyloop`, one file a group; imports are inside the commands, so that `--help` answers at once."""
