"""Backbones of the encoder, one file per family; each maps images to a pyramid of feature maps and a pooled embedding."""
