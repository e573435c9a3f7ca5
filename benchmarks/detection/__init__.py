"""Detection benchmark: learned detectors, the product and source extraction on the same scenes."""
