"""gliomorph: from a cohort of brain-tumour MRI to BIDS derivatives and a population atlas."""

from .environment import name_user

__version__ = "0.1.0"

name_user()
