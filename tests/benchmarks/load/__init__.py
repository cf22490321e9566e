"""A ledger of very many runs under very many workers: see ``__main__``."""
