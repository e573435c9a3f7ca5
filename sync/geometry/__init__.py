"""Geometry on an image: shapes, the pixels that they cover, and what their parts share."""
