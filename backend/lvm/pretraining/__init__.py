"""Pre-training of the vision model: data set, augmentations, objectives and the training loop."""
