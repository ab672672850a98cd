"""Networks on disk: weights and their headers."""
