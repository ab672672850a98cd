"""Datasets: BIDS queries, templates, simulated cohorts."""
