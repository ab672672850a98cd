"""Stages of the cohort."""
