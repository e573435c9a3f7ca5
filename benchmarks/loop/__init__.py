"""Loop benchmark: webhooks, pre-labelling and batches."""
