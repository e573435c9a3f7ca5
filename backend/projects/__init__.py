"""Projects of this installation: attach them, check that Label Studio still has them, forget them."""
