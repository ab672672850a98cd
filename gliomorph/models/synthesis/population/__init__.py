"""Simulated patients with the anatomies of people, for training: label maps of heads in, examples out."""
