"""Promises kept, identifiers out, tokens in: what happens to a table before anything of it is stored."""

from anonkit.prepare.account import account_for, keep_used, mark_duplicates, rejected_lines
from anonkit.prepare.deadlines import deadline_findings, due, evaluate_deadlines, read_requests
from anonkit.prepare.people import People, gather_people, read_listed
from anonkit.prepare.policy import Policy, Use, bundled, check_permitted, load_policy
from anonkit.prepare.pooling import GROUP, Member, Pooling, plan_pooling
from anonkit.prepare.promises import apply_promises, count_promises, kept_out, rules_of
from anonkit.prepare.retention import Clock, clocks, longest
from anonkit.prepare.together import INDIVIDUAL, RIDES, SIGNS, Together, count_together
from anonkit.prepare.tokens import person_message, tokenise, trip_token_sql

__all__ = [
    "GROUP",
    "INDIVIDUAL",
    "RIDES",
    "SIGNS",
    "Clock",
    "Member",
    "People",
    "Policy",
    "Pooling",
    "Together",
    "Use",
    "account_for",
    "apply_promises",
    "bundled",
    "check_permitted",
    "clocks",
    "count_promises",
    "count_together",
    "deadline_findings",
    "due",
    "evaluate_deadlines",
    "gather_people",
    "keep_used",
    "kept_out",
    "load_policy",
    "longest",
    "mark_duplicates",
    "person_message",
    "plan_pooling",
    "read_listed",
    "read_requests",
    "rejected_lines",
    "rules_of",
    "tokenise",
    "trip_token_sql",
]
