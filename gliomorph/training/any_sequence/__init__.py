"""Training of one network that segments from any subset of the sequences, on real patients."""
