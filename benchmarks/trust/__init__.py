"""Trust benchmark: how often a version that goes live makes predictions worse."""
