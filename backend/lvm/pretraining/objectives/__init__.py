"""What pre-training asks of the encoder, one file an objective: each turns features into one loss."""
