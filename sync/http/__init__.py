"""HTTP connections: certificates, proxies, and a deadline for a complete exchange."""
