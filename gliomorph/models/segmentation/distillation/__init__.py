"""Distillation: losses and frameworks by which a teacher teaches a student."""
