"""Pre-labelling: store the live version's predictions for all tasks of a project."""
