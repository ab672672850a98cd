"""Graphs, the engine that runs them, and the names of what they leave on disk."""
