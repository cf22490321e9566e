"""Runs of a study in an experiment tracker: MLflow, Weights & Biases, TensorBoard."""
