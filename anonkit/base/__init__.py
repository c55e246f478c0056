"""Errors, clock, entropy and progress: what every room may use and nothing else."""
