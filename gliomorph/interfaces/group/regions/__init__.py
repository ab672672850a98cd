"""Regions of the brain: parcellations, and the tumours in them."""
