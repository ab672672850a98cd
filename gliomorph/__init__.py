"""gliomorph: from a cohort of brain-tumour MRI to BIDS derivatives and a population atlas."""

__version__ = "0.1.0"
