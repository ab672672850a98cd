"""The group level: who takes part, the graph of the atlas, its run."""
