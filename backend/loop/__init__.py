"""The human-in-the-loop cycle: bell, snapshot, training, gate, publication."""
