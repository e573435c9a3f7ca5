"""Projects of this installation: attached, present in Label Studio, forgotten."""
