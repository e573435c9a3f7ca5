"""How many labels a score needs."""
