"""The participant level: what is to be done for each scan, its graph, its run."""
