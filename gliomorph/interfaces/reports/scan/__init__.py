"""The page of a scan."""
