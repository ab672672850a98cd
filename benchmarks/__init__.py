"""Measurements that the documentation reports; each module is run with ``python -m benchmarks.<name>``."""
