"""Detection heads: learned boxes (FCOS) or tuned source extraction, whichever scores better on a project's boxes."""
