"""Local files: atomic writes, locks, prefetching and a cache of limited size."""
