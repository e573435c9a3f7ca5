"""Images a second of the encoder."""
