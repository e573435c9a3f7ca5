"""Label Studio's API: the client, and one module for each type of object."""
