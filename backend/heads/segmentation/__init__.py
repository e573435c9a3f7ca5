"""The promptable segmenter: SAM's prompt encoder and mask decoder on the frozen encoder's feature maps."""
