"""The command line: one small module a command, each importing what it needs when it runs."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the program; Ctrl-C while it is still being loaded ends it without a traceback too."""
    try:
        from kdsearch.interrupts import safe_interrupts

        with safe_interrupts():
            from kdsearch.cli.app import main as run
            from kdsearch.tasks.own_process import ends_with_its_work

            with ends_with_its_work():
                run()
    except KeyboardInterrupt:
        sys.exit(130)
