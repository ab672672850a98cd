"""The atlas' stage: maps and tables from the scans' results."""
