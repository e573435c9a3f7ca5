"""Whether the loop ever makes a version that is worse."""
