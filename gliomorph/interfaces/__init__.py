"""Stages: each a plain function on files, with its Pydra task."""
