"""kdsearch inside a user's own Optuna or Ray code."""
