"""The human-in-the-loop cycle: snapshot, training, gate, publication, effort."""
