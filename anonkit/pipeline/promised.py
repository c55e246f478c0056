"""An operator's promises carried out on one table, step by step as a notebook does it: ``ak.prepare(trips, policy=…)``.

The same kernels as in a release (`prepare.people`, `prepare.promises`, `prepare.retention`), without recipe, register and
pool: rows of people on the lists, without consent, under age or past their clock are dropped by rule before anything is
stored, and told with the clause. Where no use is named the strictest reading holds: every consent that the policy names is
asked for, and a row past its clock is dropped even where some uses of an anonymised product would be allowed.

Does not ask the subject register (``release`` does), nor match people between operators.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import narwhals.stable.v2 as nw
import pyarrow as pa

from anonkit.base.errors import RecipeError
from anonkit.prepare import (
    Clock,
    People,
    Policy,
    apply_promises,
    check_permitted,
    clocks,
    count_promises,
    evaluate_deadlines,
    gather_people,
    load_policy,
    read_listed,
    read_requests,
    rules_of,
)
from anonkit.prepare.people import KINDS, LISTS
from anonkit.registry import normalise
from anonkit.schema import Accounting, Role, Table
from anonkit.sources import InputSpec, OpenInput, others_of_rows, people_of_rows, read_accounts

NO_USE = ""
"""No use is named: nothing that only some uses may do is done."""


@dataclass(frozen=True, kw_only=True)
class Promised:
    """What is needed to tell what the promises came to."""

    policy: Policy | None
    clocks: tuple[Clock, ...]
    people: People | None
    lists: tuple[str, ...]
    listed: pa.Table = field(repr=False)
    requested: pa.Table = field(repr=False)
    as_of: datetime
    zone: str
    operator: str

    def told(self, frame: nw.LazyFrame[Any], account: Accounting, session: Any) -> dict[str, Any]:
        """Rules with clause and lines, deadlines, and what could not be evaluated; counts only."""
        rules = rules_of(self.people, self.policy, self.clocks, self.lists)
        skipped = list(self.people.not_evaluated) if self.people is not None else []
        day = self.as_of.astimezone(ZoneInfo(self.zone)).date()
        return {
            "policy": self.policy.title if self.policy is not None else None,
            "rules": count_promises(frame, account, rules, policy=self.policy, session=session),
            "deadlines": evaluate_deadlines(
                self.requested,
                self.listed,
                self.people,
                policy=self.policy,
                operator=self.operator,
                as_of=day,
                session=session,
            ),
            "not_evaluated": skipped,
        }


def keep_promises(
    table: Table,
    opened: OpenInput | None,
    spec: InputSpec | None,
    *,
    policy: str | Path | Policy | None,
    use: str | None,
    as_of: datetime,
    lists: Mapping[str, str | Path],
    zone: str,
) -> tuple[Table, Promised]:
    """The rows with the rule that drops each, and what is needed to tell of it; nothing is stored.

    Raises
    ------
    RecipeError : a list that there is not. PermissionRefusedError : the policy does not permit the use.
    """
    odd = sorted(set(lists) - set(LISTS))
    if odd:
        raise RecipeError(f"there are no lists {odd}", hint=f"lists are {list(LISTS)}")
    known = load_policy(policy) if isinstance(policy, str | Path) else policy
    if known is not None and use is not None:
        check_permitted(known, use, recipient="internal", legal_basis=None)
    session, paths = table.session, {rule: Path(path) for rule, path in lists.items()}
    listed = read_listed(paths, session=session, normalise=normalise)
    operator = table.schema.source or (known.operator if known is not None else "")
    running = clocks(known, use=use or NO_USE, as_of=as_of, zone=zone) if known is not None else ()
    accounts = spec.accounts if spec is not None else None
    people = None
    if paths or accounts is not None:
        people = gather_people(
            _people(table, opened, spec),
            read_accounts(accounts, session=session) if accounts is not None else None,
            others_of_rows(table),
            other_kinds=tuple(kind for kind, _ in spec.other_columns) if spec is not None else (),
            operator=operator,
            listed=listed,
            blocked=None,
            policy=known,
            use=use,
            clocks=running,
            as_of=as_of,
            zone=zone,
            pool_key=None,
            normalise=normalise,
            session=session,
        )
    kept = Promised(
        policy=known,
        clocks=running,
        people=people,
        lists=tuple(paths),
        listed=listed,
        requested=read_requests(paths, session=session),
        as_of=as_of,
        zone=zone,
        operator=operator,
    )
    named = "operator" in table.frame.collect_schema().names()
    if not named:
        table = table.with_frame(table.frame.with_columns(nw.lit(operator).alias("operator")))
    ruled = apply_promises(table, people, clocks=running, zone=zone)
    return (ruled if named else ruled.with_frame(ruled.frame.drop("operator"))), kept


def _people(table: Table, opened: OpenInput | None, spec: InputSpec | None) -> pa.Table:
    """Distinct persons and the identifiers that the export, or a table of one's own, has of them; in memory only."""
    session, names = table.session, table.frame.collect_schema().names()
    if opened is not None and spec is not None and "person" in spec.columns:
        return people_of_rows(spec, opened, session=session)
    if "person" not in names:
        return pa.table({"person": pa.array([], pa.string())})
    picks = ", ".join(f"{name}::VARCHAR AS {name}" for name in ("person", *(kind for kind in KINDS if kind in names)))
    return session.sql(f"SELECT DISTINCT {picks} FROM {{rows}} WHERE person IS NOT NULL", rows=table.frame)


def without_identifiers(table: Table) -> Table:
    """A table of one's own less its columns of identifiers: lists have been applied, nothing else may see them."""
    named = [name for name in KINDS if name in table.schema and table.schema[name].role is not Role.QUASI]
    return table.with_frame(table.frame.drop(*named), table.schema.without(*named)) if named else table
