"""Classifiers of images and clips."""
