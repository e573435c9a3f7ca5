"""The order of a project's tasks: which ones Label Studio serves next."""
