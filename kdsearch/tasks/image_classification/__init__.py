"""Distillation of image classifiers by soft labels."""
