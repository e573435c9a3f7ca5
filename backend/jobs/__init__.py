"""Jobs between server and workers: pending events, the queue, leases and heartbeats."""
