"""Groups of participants, and how few a map may be of."""
