"""The page of the cohort."""
