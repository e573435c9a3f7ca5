"""Print the networks that Label Studio must not call: its own list, without the network that it shares with the backends.

Usage: banned_subnets.py SUBNET GATEWAY, both of the network `calls` of docker-compose.yml. The gateway, the host, stays
on the list. It needs only Python's standard library, since it runs in Label Studio's container.
"""

from __future__ import annotations

import ipaddress
import sys
from typing import Any

__all__ = ["LABEL_STUDIO_LIST", "banned_subnets"]

LABEL_STUDIO_LIST = (
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
    *("192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
    *("224.0.0.0/4", "233.252.0.0/24", "240.0.0.0/4", "255.255.255.255/32", "::/128", "::1/128", "::ffff:0:0/96"),
    *("::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001:0000::/32", "2001:20::/28", "2001:db8::/32"),
    *("2002::/16", "fc00::/7", "fe80::/10", "ff00::/8"),
)
"""`default_banned_subnets` in core/utils/io.py of Label Studio 1.23.2."""
LARGEST = 16
"""Shortest prefix of the shared network: a larger one would open addresses of other machines."""


def banned_subnets(subnet: str, gateway: str) -> list[str]:
    """Return the list for a shared network.

    Raises
    ------
    ValueError
        If the network is not a private IPv4 network of at most 65,536 addresses, or the gateway is not in it.
    """
    shared = ipaddress.IPv4Network(subnet)
    if not shared.is_private or shared.prefixlen < LARGEST:
        raise ValueError(f"GALAXYLOOP_SUBNET must be a private network of at most 65,536 addresses, not {subnet}")
    if ipaddress.IPv4Address(gateway) not in shared:
        raise ValueError(f"GALAXYLOOP_GATEWAY {gateway} is not in GALAXYLOOP_SUBNET {subnet}")
    banned = [f"{gateway}/32"]
    for text in LABEL_STUDIO_LIST:
        network: Any = ipaddress.ip_network(text)
        inside = network.version == shared.version and shared.subnet_of(network)
        banned += map(str, sorted(network.address_exclude(shared)) if inside else [network])
    return banned


if __name__ == "__main__":
    try:
        sys.stdout.write(",".join(banned_subnets(*sys.argv[1:])) + "\n")
    except ValueError as error:
        sys.exit(f"banned_subnets.py: {error}")
