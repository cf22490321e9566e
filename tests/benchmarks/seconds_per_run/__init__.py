"""Seconds per run of kdsearch against a plain loop that works as the original of the seed does."""
