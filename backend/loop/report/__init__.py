"""The report of a project, computed at the end of a cycle: scores of versions, curves, galleries, the map, problems."""
