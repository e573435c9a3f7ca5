"""Detection heads: a learned detector (FCOS) or tuned source extraction, selected by cross-validation on a project's boxes."""
