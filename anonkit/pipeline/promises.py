"""The operators' promises in one run: policy, lists, register and pool brought together for each input.

One object a run: it reads the lists once, and for each input gathers the people (in memory), joins rules and pseudonyms to
the rows, and afterwards tells what each rule kept and dropped, for run.json and the reviewer. See `prepare.promises`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import narwhals.stable.v2 as nw
import pyarrow as pa

from anonkit.engine import Session
from anonkit.pipeline.subjects import Subjects, listed, requested
from anonkit.prepare import People, apply_promises, clocks, count_promises, evaluate_deadlines, gather_people, rules_of
from anonkit.recipe import AnyRecipe
from anonkit.registry import normalise
from anonkit.schema import Accounting, Table
from anonkit.sources import InputSpec, OpenInput, others_of_rows, people_of_rows, read_accounts

NOBODY = pa.table({"person": pa.array([], pa.string())})


class PromiseKeeper:
    """Carries out the promises of a recipe's policies on its inputs, one after the other."""

    def __init__(self, recipe: AnyRecipe, *, session: Session, as_of: datetime, subjects: Subjects) -> None:
        self._recipe, self._session, self._as_of, self._subjects = recipe, session, as_of, subjects
        self._listed = listed(recipe, session=session)
        self._requested = requested(recipe, session=session)
        self._pool_key = subjects.pool_key() if recipe.pooling.matched else None
        self.people: People | None = None
        """The people of the input that was last kept; None where nothing asked for them."""

    def keep(self, table: Table, opened: OpenInput, number: int, spec: InputSpec) -> Table:
        """The input's rows with rules, notes and pseudonyms; nothing is stored."""
        recipe, session = self._recipe, self._session
        policy, zone = recipe.policies[number], spec.time.zone or recipe.time.zone
        self._clocks = clocks(policy, use=recipe.use, as_of=self._as_of, zone=zone) if policy and recipe.use else ()
        matched = spec.operator in recipe.pooling.matched
        blocked = self._subjects.blocked(spec.operator)
        self.people = None
        if recipe.lists or spec.accounts or matched or blocked is not None or recipe.records_subjects:
            named = "person" in spec.columns
            all_kinds = blocked is not None or recipe.records_subjects
            asked = {*self._listed.column("kind").unique().to_pylist(), *(["phone"] if matched else [])}
            kinds = None if all_kinds else frozenset(asked)
            self.people = gather_people(
                people_of_rows(spec, opened, session=session, kinds=kinds) if named else NOBODY,
                read_accounts(spec.accounts, session=session) if spec.accounts is not None else None,
                others_of_rows(table),
                other_kinds=tuple(kind for kind, _ in spec.other_columns),
                operator=spec.operator,
                listed=self._listed,
                blocked=blocked,
                policy=policy,
                use=recipe.use,
                clocks=self._clocks,
                as_of=self._as_of,
                zone=zone,
                pool_key=self._pool_key if matched else None,
                normalise=normalise,
                session=session,
            )
        return apply_promises(table, self.people, clocks=self._clocks, zone=zone)

    def told(self, number: int, frame: nw.LazyFrame[Any], account: Accounting) -> dict[str, Any]:
        """What the promises of the input that was last kept came to; counts and clauses, nobody's identifier."""
        recipe = self._recipe
        policy, spec = recipe.policies[number], recipe.inputs[number]
        rules = rules_of(self.people, policy, self._clocks, [str(name) for name in recipe.lists])
        permitted = policy.uses.get(recipe.use) if policy is not None and recipe.use is not None else None
        skipped = list(self.people.not_evaluated) if self.people is not None else []
        if policy is not None and self.people is None:
            skipped.append("consents, age and deleted accounts: no accounts are mapped")
        return {
            "source": account.source,
            "operator": spec.operator,
            "policy": policy.title if policy is not None else None,
            "version": policy.version if policy is not None else None,
            "use": recipe.use,
            "permitted_by": " ".join(permitted.split()) if permitted else None,
            "rules": count_promises(frame, account, rules, policy=policy, session=self._session),
            "deadlines": evaluate_deadlines(
                self._requested,
                self._listed,
                self.people,
                policy=policy,
                operator=spec.operator,
                as_of=self._as_of.astimezone(ZoneInfo(spec.time.zone or recipe.time.zone)).date(),
                session=self._session,
            ),
            "not_evaluated": skipped,
            "unreadable_identifiers": self.people.unreadable if self.people is not None else 0,
        }
