"""The page of a pair of images."""
