"""Checks that come before a run: dataset, machine, worker, options of the atlas."""
