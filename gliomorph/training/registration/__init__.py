"""Training of registration networks."""
