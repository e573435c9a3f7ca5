"""Robustness benchmark: kills, events, malformed requests and broken images."""
