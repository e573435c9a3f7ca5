"""From a task's image reference to pixels: fetch, decode, stretch."""
