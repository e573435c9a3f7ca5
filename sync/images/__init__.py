"""Images of tasks: fetching, decoding, stretching, and inspection of files."""
