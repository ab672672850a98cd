"""Options of a run: checked on construction, then read only."""
