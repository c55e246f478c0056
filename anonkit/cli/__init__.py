"""The command line: one verb a file, no logic. Exit codes: 0 released, 2 bad recipe or input, 3 refused."""

from anonkit.cli.app import main

__all__ = ["main"]
