"""Source extraction: thresholds, deblending, outlines and the features of sources."""
