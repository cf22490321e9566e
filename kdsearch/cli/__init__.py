"""The command line: one small module a command, each importing what it needs when it runs."""

from kdsearch.cli.app import main

__all__ = ["main"]
