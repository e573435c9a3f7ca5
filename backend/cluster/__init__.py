"""A Ray cluster: its workers, their jobs, and the version bundle that they predict with."""
