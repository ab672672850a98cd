"""Stages of a scan, one file each."""
