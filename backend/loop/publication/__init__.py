"""Publication: choose the tasks that need a prediction of the live version, and store it in Label Studio."""
