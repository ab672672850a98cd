"""Distillation with few data (thesis, §3.5): a teacher of four modalities, students of one, on simulated patients."""
