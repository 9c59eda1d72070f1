"""Wiring and supervision, nothing else."""
