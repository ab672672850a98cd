"""Computations on arrays: registration, segmentation and synthesis; no files here."""
