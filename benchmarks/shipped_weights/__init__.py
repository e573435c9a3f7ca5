"""Training and evaluation of the weights that the product ships."""
