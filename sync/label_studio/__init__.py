"""Label Studio's API: one client, and a module for each kind of thing that it stores."""
