"""The command line: ``glassnet`` and ``python -m glassnet``."""

from glassnet.cli.app import app, main

__all__ = ["app", "main"]
