"""Tests of lesions against the participants' columns."""
