"""Identifiers out, tokens in: what happens to a table before anything of it is stored."""

from anonkit.prepare.account import account_for, keep_used, mark_duplicates, rejected_lines
from anonkit.prepare.tokens import tokenise

__all__ = ["account_for", "keep_used", "mark_duplicates", "rejected_lines", "tokenise"]
