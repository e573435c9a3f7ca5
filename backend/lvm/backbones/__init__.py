"""The networks that can be an encoder, one file a family: images in, a pyramid of feature maps and a pooled embedding out."""
