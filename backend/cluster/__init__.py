"""A Ray cluster: its workers, their jobs, and the version that they predict with."""
