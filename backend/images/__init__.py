"""Images of tasks and of this machine: fetched, decoded and cached."""
