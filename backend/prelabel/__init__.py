"""Pre-labelling: storing the live version's predictions for all tasks of a project in bulk."""
