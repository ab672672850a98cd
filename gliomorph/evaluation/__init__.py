"""Evaluation: registrations against truth, landmarks and labels, and methods beside each other."""
