"""The shipped students through the whole pipeline: quality against given labels, seconds and memory."""
