"""Lists of subjects: who asked to be erased, whose data is restricted, who withdrew a consent.

Each line names a person by any identifier that the operator has: a phone in the spelling of the letter, an e-mail, an
account id, a card number; some by several, one by a phone that no operator knows. The people are invented riders of the
samples. The lists themselves are personal data in real life: they stay inside.
"""

from __future__ import annotations

from pathlib import Path

from anonkit.simulate.accounts import account, spelled
from anonkit.simulate.files import write_csv

LIST_COLUMNS = ("request_id", "received_on", "operator", "phone", "email", "account_id", "card_number")


def _line(number: int, day: str, operator: str, **identifiers: str) -> dict[str, str]:
    return {
        **dict.fromkeys(LIST_COLUMNS, ""),
        "request_id": f"SR-{number:03d}",
        "received_on": day,
        "operator": operator,
        **identifiers,
    }


def write_lists(folder: Path) -> None:
    """Write ``erasure.csv``, ``restriction.csv`` and ``withdrawn_consent.csv``."""
    rider, both, carded, mailed = account(24), account(353), account(61), account(340)
    passenger = account(17, country="ME")
    erasure = [
        _line(1, "2026-09-12", "kontaktplus", phone=spelled(rider.phone, 2)),
        _line(2, "2026-09-14", "", phone="(0" + spelled(both.phone, 1)[1:3] + ") " + spelled(both.phone, 1)[4:]),
        _line(3, "2026-09-15", "kontaktplus", card_number=" ".join(carded.card[i : i + 4] for i in (0, 4, 8, 12))),
        _line(4, "2026-09-18", "kontaktplus", email=mailed.email.upper()),
        _line(5, "2026-09-18", "kontaktplus", account_id="U0102"),
        _line(6, "2026-09-20", "uklon", account_id="UK00231", phone=spelled(account(231).phone, 3)),
        _line(7, "2026-09-21", "charge_az", email=account(113).email, phone=spelled(account(113).phone, 4)),
        _line(8, "2026-09-21", "bakikart", phone=spelled(account(302).phone, 1)),
        _line(9, "2026-10-12", "pokupi", phone="00382 " + passenger.phone[4:6] + "/" + passenger.phone[6:]),
        _line(10, "2026-09-25", "", phone="+994 55 000 98 76"),  # known to nobody
    ]
    restriction = [
        _line(11, "2026-10-02", "pokupi", email=account(40, country="ME").email),
        _line(12, "2026-09-10", "kontaktplus", account_id="U0033"),
    ]
    withdrawn = [
        _line(13, "2026-09-16", "uklon", phone=spelled(account(260).phone, 1)),
        _line(14, "2026-09-17", "kontaktplus", email=account(88).email),
    ]
    write_csv(folder / "erasure.csv", LIST_COLUMNS, erasure)
    write_csv(folder / "restriction.csv", LIST_COLUMNS, restriction)
    write_csv(folder / "withdrawn_consent.csv", LIST_COLUMNS, withdrawn)
