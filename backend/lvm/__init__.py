"""The large vision model: one self-supervised encoder that every head shares."""
