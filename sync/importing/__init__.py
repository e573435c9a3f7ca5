"""Importing images into a project: inputs, display, storage, tasks."""
