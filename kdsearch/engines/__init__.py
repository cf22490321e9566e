"""Executing runs: in process (``debug``), in worker processes (``local``), inside Ray or Optuna of a user's own."""
