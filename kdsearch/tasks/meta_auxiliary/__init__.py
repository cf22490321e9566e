"""MAXL: auxiliary labels from a generator that is trained by the second derivative."""
