"""From the tasks and annotations of Label Studio to what an export writes."""
