"""Pre-labelling: a project's tasks get the live version's predictions before anybody opens them, at once and in bulk."""
