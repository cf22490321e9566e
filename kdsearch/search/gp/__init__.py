"""The Gaussian process of the adaptive policy, and how it finds and values candidates."""
