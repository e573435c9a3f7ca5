"""Images of tasks and of local files: fetching, decoding and caching."""
