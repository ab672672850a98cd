"""Segmentation networks: inference, training, metrics."""
