"""What annotators answered, as examples for the heads: snapshot, held-out tasks, answers and objects."""
