"""Reading of Label Studio's tasks and annotations for an export."""
