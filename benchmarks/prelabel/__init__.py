"""Images a second of pre-labelling."""
