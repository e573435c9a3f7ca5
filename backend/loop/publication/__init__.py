"""Publication: which tasks need a prediction of the live version, and storing it in Label Studio."""
