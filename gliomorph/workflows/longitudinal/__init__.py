"""A patient's sessions registered to one of them."""
