"""Thousands of subjects without work: what the engine itself costs."""
