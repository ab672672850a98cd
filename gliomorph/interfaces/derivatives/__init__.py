"""Derivatives on disk: names, records, publication."""
