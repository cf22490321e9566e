"""Layers whose randomness or statistics are per member of a population."""
