"""Metrics: how good codes or predictions are. Pure functions of tensors, written over leading member dimensions."""
