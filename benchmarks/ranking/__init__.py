"""How long the ranking of a queue takes, and how much memory, by strategy and number of tasks."""
