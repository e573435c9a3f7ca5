"""Publication: choosing the tasks that need a prediction of the live version, and storing it in Label Studio."""
