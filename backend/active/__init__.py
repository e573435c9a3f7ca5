"""Active learning: which tasks to annotate next. One query strategy per file, with the function `select`."""
