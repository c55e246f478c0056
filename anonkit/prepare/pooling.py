"""Who can be matched between operators, and what a class counts where nobody can.

The same person at two operators is one person: his token comes from his phone number (E.164) under the key of the pool,
which the pooling process holds and no operator (phones can be enumerated). That needs the permission of every policy in
it, and phones. Whoever cannot be matched may be there twice, so a class counts the most persons that one group of operators
has of it, never the sum (ruling 2): people matched in the pool are one group, all others of an operator another.

Does not find a person who gives every operator another number; he counts once for each, in a pool of matched operators.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from anonkit.prepare.policy import Policy

GROUP = "operator_group"
"""Column of groups between which persons cannot be matched."""
MATCHED = "(matched)"
"""The group of those who are matched."""
PERMISSION = "cross_operator_matching"


@dataclass(frozen=True, kw_only=True)
class Member:
    """One input of a pool."""

    operator: str
    policy: Policy | None
    phones: bool
    """Whether the recipe says where its people's phone numbers are."""


@dataclass(frozen=True, kw_only=True)
class Pooling:
    """How persons of several operators are counted."""

    operators: tuple[str, ...] = ()
    matched: tuple[str, ...] = ()
    column: str | None = None
    """``operator_group`` where a class counts the largest group; None: everybody is one operator's, or trips are counted."""
    why: tuple[str, ...] = ()
    """Why an operator is not matched."""

    @property
    def statement(self) -> str | None:
        """One sentence for README, report and run.json."""
        if self.column is None:
            return None
        if self.matched:
            rest = [name for name in self.operators if name not in self.matched]
            apart = f"; those of {_list(rest)} cannot be matched" if rest else ""
            return (
                f"Persons of {_list(self.matched)} are matched by phone number under a key of the pool{apart}. Who cannot "
                "be matched is counted apart, and a class counts the largest of these groups, never their sum."
            )
        return (
            f"Persons of {_list(self.operators)} cannot be matched: one person may ride with each of them. A class counts the "
            "most that one operator has of it, never the sum."
        )


def plan_pooling(members: Iterable[Member], *, unit: str, drivers: bool) -> Pooling:
    """Who is matched with whom.

    Parameters
    ----------
    unit : what a class counts: ``person``, ``driver`` or ``trip``. Trips are never one another's; drivers cannot be matched.
    drivers : whether drivers are protected beside persons. Then nobody is matched, because drivers, who are counted in the
        same groups, have no common number.

    Examples
    --------
    >>> from anonkit.prepare.policy import load_policy
    >>> two = [Member(operator=name, policy=load_policy(name), phones=True) for name in ("kontaktplus", "uklon")]
    >>> pooling = plan_pooling(two, unit="person", drivers=False)
    >>> pooling.matched, pooling.column, pooling.why
    ((), 'operator_group', ('the policy of uklon does not permit cross_operator_matching',))
    """
    members = list(members)
    operators = tuple(dict.fromkeys(member.operator for member in members))
    if len(operators) < 2 or unit == "trip":
        return Pooling(operators=operators)
    why: list[str] = []
    for member in members:
        if member.policy is None or not member.policy.permits(PERMISSION):
            why.append(f"the policy of {member.operator} does not permit {PERMISSION}")
        elif not member.phones:
            why.append(f"no phone numbers of {member.operator} are mapped")
    barred = {member.operator for member in members if not _matchable(member)}
    matched = tuple(name for name in operators if name not in barred)
    if drivers or unit == "driver":
        why, matched = [*why, "drivers are counted, and have no common number"], ()
    if len(matched) < 2:
        matched = ()
    return Pooling(operators=operators, matched=matched, column=GROUP, why=tuple(dict.fromkeys(why)))


def _matchable(member: Member) -> bool:
    return member.policy is not None and member.policy.permits(PERMISSION) and member.phones


def _list(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
