"""The promptable segmenter: SAM's prompt encoder and mask decoder on the feature maps of the frozen encoder."""
