"""The command line."""

from snnjax.cli.app import main

__all__ = ["main"]
