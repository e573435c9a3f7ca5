"""Prediction on a Ray cluster: workers, their jobs, and the version bundle that each worker loads."""
