"""SSKT: auxiliary heads that learn what source networks say."""
