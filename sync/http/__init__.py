"""HTTP connections: certificates, proxies, and a deadline over a whole exchange."""
