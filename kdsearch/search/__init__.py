"""Deciding which runs come next from the ledger alone. Nothing here imports torch or is handed a score."""
