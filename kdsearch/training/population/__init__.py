"""Runs that train together in one process: each is a member in a slot."""
