"""Geometry on an image: shapes, the pixels that they cover, and the overlap of shapes."""
