"""Import of images into a project: inputs, display, storage and tasks."""
