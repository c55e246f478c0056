"""A release cannot be joined to the vault: no released value is a vault token in any form (Pokupi's promise, ruling 28).

The vault is filled from the very trips of the release. Every value of every released file, whole and in its parts, is held
against each token as written, as a number, under common hashes and encodings, under the release's own keys, and against
what the vault itself keeps of it. A twin plants each form in each kind of file and must be caught.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from anonkit.vault import Vault
from anonkit.vault.keys import derive, keyed_hash

RUN_KEY, VAULT_KEY = bytes(range(100, 132)), bytes(range(32))
WORDS = re.compile(r"[A-Za-z0-9+/=_-]{6,}")
"""Shorter words of a text say too little to be a token; whole values are compared whatever their length."""


def journey(number: int) -> str:
    """A trip id with a number in it that no cell, bin or count of the town can be."""
    return f"J-{9_300_000_000_000_000 + 7_919 * number}"


def forms(token: str, *, keys: tuple[bytes, ...]) -> dict[str, str]:
    """Name of a form → the token in it."""
    digits = "".join(re.findall("[0-9]", token))
    raw = token.encode()
    found = {"as written": token, "number": str(int(digits)), "hexadecimal number": f"{int(digits):x}"}
    found |= {
        "backwards": token[::-1],
        "base64": base64.b64encode(raw).decode(),
        "base32": base64.b32encode(raw).decode(),
    }
    found |= {"hexadecimal": raw.hex(), "crc32": str(zlib.crc32(raw))}
    for name in ("md5", "sha1", "sha256", "sha512", "blake2b"):
        digest = hashlib.new(name, raw).digest()
        found |= _spelt(name, digest)
    for number, key in enumerate(keys):
        for prefix in ("", "trip\x1ftown\x1f", "trip\x1f", "person\x1ftown\x1f", "town\x1f"):
            text = prefix.encode() + raw
            said = prefix.replace("\x1f", "/")
            found |= _spelt(f"HMAC {number} of {said}", hmac.new(key, text, hashlib.sha256).digest())
            found |= _spelt(f"keyed SHA-256 {number} of {said}", hashlib.sha256(key + text).digest())
    return found


def _spelt(name: str, digest: bytes) -> dict[str, str]:
    """A digest as text, as base64, and as the first 60 and 40 bits as numbers."""
    found = {name: digest.hex(), f"{name}, base64": base64.b64encode(digest).decode()}
    found |= {f"{name}, {4 * n} bits": str(int(digest.hex()[:n], 16)) for n in (10, 15)}
    return found | {f"{name}, {4 * n} bits as text": digest.hex()[:n] for n in (10, 15, 16)}


def values(folder: Path) -> Iterator[tuple[str, str]]:
    """File and every value in it: cells of tables one by one, of texts each long word; file names too."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        yield "file names", path.name
        tables = []
        if path.suffix == ".parquet":
            schema = pq.read_schema(path)
            tables = [pq.read_table(path)]
            yield from ((path.name, str(part)) for pair in (schema.metadata or {}).items() for part in pair)
        elif path.suffix == ".csv":
            texts = pa.csv.ConvertOptions(strings_can_be_null=False)
            names = path.read_text(encoding="utf-8").splitlines()[0].split(",")
            texts.column_types = dict.fromkeys(names, pa.string())
            tables = [pyarrow.csv.read_csv(path, convert_options=texts)]
        for table in tables:
            for name in table.column_names:
                yield path.name, name
                yield from ((path.name, str(value)) for value in table.column(name).unique().to_pylist())
        if not tables:
            yield from ((path.name, word) for word in WORDS.findall(path.read_text(encoding="utf-8")))


def joined(folder: Path, tokens: dict[str, str]) -> set[tuple[str, str]]:
    """File and form of every released value that is a token, whole or as a word of a longer text."""
    hits = set()
    for where, value in values(folder):
        for word in {value, value.strip().lower(), value.strip().upper(), *WORDS.findall(value)}:
            if word in tokens:
                hits.add((where, tokens[word]))
    return hits


@pytest.fixture(scope="module")
def released(town_class: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A release, and every form of every token of a vault that holds the same trips."""
    folder = tmp_path_factory.mktemp("joining")
    town = town_class(folder)
    for number, (at, to) in enumerate((((0, 0), (4, 0)), ((1, 1), (5, 1)), ((0, 4), (4, 4)))):
        for rider in range(7):
            town.ride(f"P{rider}", at=at, to=to, trip=journey(7 * number + rider))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("anonkit.pipeline.run.fresh_key", lambda: RUN_KEY)
        town.release()
    record_key = bytes.fromhex((folder / "anonkit.registry" / "counts.key").read_text().strip())
    (folder / "second").mkdir()
    vault = Vault.create(folder / "vault", key=VAULT_KEY, head=folder / "second" / "head", by="Aysel Q.")
    pairs = [(row["id"], row["rider"]) for row in town.rows]
    assert vault.store(pairs, by="Aysel Q.") == len(pairs) == 21
    keys = (RUN_KEY, record_key, derive(VAULT_KEY, "index"), VAULT_KEY)
    tokens: dict[str, str] = {}
    for token, account in pairs:
        tokens |= {text: name for name, text in forms(token, keys=keys).items()}
        for what in (f"token {token}", f"account {account}"):
            kept = keyed_hash(derive(VAULT_KEY, "index"), what)
            tokens |= {text: name for name, text in _spelt("name in the vault", kept).items()}
    return town.folder / "out", tokens


def test_r28_no_released_value_derives_from_a_vault_token(released: tuple[Path, dict[str, str]]) -> None:
    folder, tokens = released
    assert len(tokens) > 21 * 100
    assert len(list(values(folder))) > 200
    assert joined(folder, tokens) == set()


def test_r28_the_run_key_of_this_test_is_the_one_that_tokens_are_made_with(town: Any, tmp_path: Path) -> None:
    # else the forms under it would be forms of nothing: the token of a trip in the private table is among them
    from anonkit.base.clock import as_of
    from anonkit.engine import Session
    from anonkit.pipeline.ingest import ingest
    from anonkit.recipe import load_recipe

    town.ride("P1", trip=journey(1))
    recipe, _ = load_recipe(town.recipe())
    with Session(threads=1) as session:
        found = ingest(recipe, session=session, key=RUN_KEY, record_key=b"r" * 32, as_of=as_of("2026-04-01"))
        row = session.collect(found.rows).to_pylist()[0]
    made = forms(journey(1), keys=(RUN_KEY, b"r" * 32))
    assert str(row["trip"]) in made.values()
    assert str(row["person"]) in forms("P1", keys=(RUN_KEY,)).values()


FORMS = ("as written", "number", "sha256", "md5, base64", "sha1, 60 bits", "name in the vault, 60 bits")
PLACES = ("trips.parquet", "flows.csv", "README.md", "datapackage.json", "file names")


@pytest.mark.parametrize("place", PLACES)
def test_r28_twin_a_planted_vault_token_is_found_in_any_form_and_file(
    released: tuple[Path, dict[str, str]], place: str, tmp_path: Path
) -> None:
    folder, tokens = released
    for number, form in enumerate(FORMS):
        text = next(text for text, name in tokens.items() if name == form)
        copy = tmp_path / f"planted-{number}"
        shutil.copytree(folder, copy)
        if place == "file names":
            (copy / f"{text.replace('/', '_')}.txt").write_text("nothing")
            text = text.replace("/", "_")
            hits = joined(copy, {**tokens, text: form})
        else:
            plant(copy / place, text)
            hits = joined(copy, tokens)
        assert (place, form) in hits


def plant(path: Path, text: str) -> None:
    """Put a text into a file: as a value of a new column, or in the middle of a sentence."""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        column = [int(text) if text.isdigit() and int(text) < 2**63 else text] * table.num_rows
        pq.write_table(table.append_column("note", pa.array(column)), path)
    elif path.suffix == ".csv":
        first, *rest = path.read_text(encoding="utf-8").splitlines()
        path.write_text("\n".join([f"{first},note", *(f"{line},{text}" for line in rest)]) + "\n", encoding="utf-8")
    else:
        path.write_text(path.read_text(encoding="utf-8") + f"\nSee ({text}).\n", encoding="utf-8")


def test_r28_twin_a_release_whose_maker_appends_a_vault_token_is_refused(
    town: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from anonkit.base.errors import ReleaseRefusedError
    from anonkit.pipeline import run

    town.busy()
    honest = run.write_bundle

    def planted(staging: Path, *rest: Any, **named: Any) -> Any:
        made = honest(staging, *rest, **named)
        plant(staging / "trips.parquet", journey(1))
        return made

    monkeypatch.setattr(run, "write_bundle", planted)
    with pytest.raises(ReleaseRefusedError):
        town.release()
    assert {"columns", "checksums"} <= town.failed()
