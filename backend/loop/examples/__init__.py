"""Training examples: annotations are read, divided into training and held-out tasks, and grouped by control."""
