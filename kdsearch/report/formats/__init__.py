"""One module a format; ``render`` picks one by name."""
