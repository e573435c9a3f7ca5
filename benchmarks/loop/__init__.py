"""The loop: webhooks, pre-labelling and batches."""
