"""Files of this machine: atomic writes, locks, and a cache of bounded size."""
