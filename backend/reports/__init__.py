"""The report of a project: how good its versions are, what more labels would bring, and what to look at; one per project."""
