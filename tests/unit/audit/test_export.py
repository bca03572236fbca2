"""A copy of a trail proves itself: whatever is done to its lines is found, and where."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from libs.audit import CHECKPOINT, Fault
from libs.audit.export import (
    Extent,
    NotAnExport,
    check,
    checkpoint_line,
    checkpoint_statement,
    entry_line,
    opening,
)
from libs.signing import Signer
from libs.spine.changes import LoggedChange

_SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
_STRANGER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(32)))
_NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
_BEGINNING = sha256(b"acme").digest()
_HEAD_LINES = 2  # the extent and one key

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
contents = st.tuples(texts, texts, st.dictionaries(texts, texts, max_size=3))
trails = st.lists(contents, min_size=2, max_size=12)


def chained(rows: Sequence[tuple[str, str, dict[str, str]]], since: int = 0) -> list[LoggedChange]:
    """Entries as the database would have made them."""
    entries: list[LoggedChange] = []
    previous = _BEGINNING
    for number, (resource, actor, details) in enumerate(rows, since + 1):
        entry = LoggedChange(
            number, resource, "updated", actor, "", "", "", "", "", _NOW, b"", details
        )
        previous = sha256(previous + entry._canonical()).digest()
        entries.append(replace(entry, hash=previous))
    return entries


def copy(entries: Sequence[LoggedChange], every: int = 3, signer: Signer = _SIGNER) -> list[bytes]:
    """The lines of a copy, with a checkpoint after every so many entries."""
    extent = Extent("acme", entries[0].number - 1, _BEGINNING, entries[-1].number, entries[-1].hash)
    lines = opening(extent, signer, {signer.key_id: signer.public_key}, _NOW).splitlines()
    for entry in entries:
        lines.append(entry_line(entry))
        if entry.number % every == 0:
            lines.append(signed(entry.number, entry.hash, signer))
    return lines


def signed(number: int, digest: bytes, signer: Signer = _SIGNER) -> bytes:
    statement = checkpoint_statement("acme", number, digest, _NOW)
    return checkpoint_line(signer.sign(CHECKPOINT, statement))


def places(lines: Sequence[bytes]) -> dict[int, int]:
    """Where the entry of each number stands."""
    found = {}
    for place, line in enumerate(lines):
        value = json.loads(line)
        if value["kind"] == "entry":
            found[value["number"]] = place
    return found


@given(trails, st.integers(0, 5))
def test_an_untouched_copy_is_intact(
    rows: list[tuple[str, str, dict[str, str]]], since: int
) -> None:
    entries = chained(rows, since)

    for trusted in ((), (_SIGNER.public_key,)):
        found = check(copy(entries), trusted)

        assert (found.verdict.intact, found.verdict.checked) == (True, entries[-1].number)
        assert found.verdict.proved == entries[-1].number
        assert (found.extent.tenant, found.key_id) == ("acme", _SIGNER.key_id)


@given(trails, st.data())
def test_an_altered_entry_is_named(
    rows: list[tuple[str, str, dict[str, str]]], data: st.DataObject
) -> None:
    lines = copy(chained(rows))
    number = data.draw(st.integers(1, len(rows)))
    name = data.draw(st.sampled_from(["resource", "actor", "details", "committed_at", "hash"]))
    changed = {"details": {"x": "y z"}, "committed_at": "2027-01-01T00:00:00+00:00"}
    place = places(lines)[number]
    line = json.loads(lines[place])
    line[name] = changed.get(name) or "ab" * 32
    lines[place] = json.dumps(line).encode()

    verdict = check(lines).verdict

    assert (verdict.broken_at, verdict.fault) == (number, Fault.ALTERED)


@given(trails, st.data())
def test_a_deleted_entry_is_named(
    rows: list[tuple[str, str, dict[str, str]]], data: st.DataObject
) -> None:
    lines = copy(chained(rows), every=100)
    number = data.draw(st.integers(1, len(rows)))
    del lines[places(lines)[number]]

    verdict = check(lines).verdict

    last = number == len(rows)
    fault = Fault.TRUNCATED if last else Fault.MISSING
    assert (verdict.broken_at, verdict.fault) == (number, fault)


@given(trails, st.data())
def test_reordered_entries_are_named(
    rows: list[tuple[str, str, dict[str, str]]], data: st.DataObject
) -> None:
    lines = copy(chained(rows), every=100)
    first = data.draw(st.integers(1, len(rows) - 1))
    second = data.draw(st.integers(first + 1, len(rows)))
    one, other = places(lines)[first], places(lines)[second]
    lines[one], lines[other] = lines[other], lines[one]

    verdict = check(lines).verdict

    assert (verdict.broken_at, verdict.fault) == (first, Fault.MISSING)


@given(trails, st.data())
def test_a_truncated_copy_is_named(
    rows: list[tuple[str, str, dict[str, str]]], data: st.DataObject
) -> None:
    lines = copy(chained(rows))
    kept = data.draw(st.integers(0, len(rows) - 1))
    lines = lines[: places(lines)[kept] + 1] if kept else lines[:_HEAD_LINES]

    verdict = check(lines).verdict

    assert (verdict.broken_at, verdict.fault) == (kept + 1, Fault.TRUNCATED)


@given(trails, st.data())
def test_an_added_line_is_named(
    rows: list[tuple[str, str, dict[str, str]]], data: st.DataObject
) -> None:
    entries = chained([*rows, ("forged", "mallory", {})])
    lines = copy(entries[:-1], every=100)
    lines.append(data.draw(st.sampled_from([entry_line(entries[-1]), b"{}", b"\xff", b"[1]"])))

    verdict = check(lines).verdict

    assert (verdict.broken_at, verdict.fault) == (len(entries), Fault.ADDED)


@given(trails, st.data())
def test_a_chain_that_was_made_anew_contradicts_a_checkpoint(
    rows: list[tuple[str, str, dict[str, str]]], data: st.DataObject
) -> None:
    number = data.draw(st.integers(1, len(rows)))
    forged = [*rows]
    forged[number - 1] = ("forged" + rows[number - 1][0], *rows[number - 1][1:])
    honest, made_anew = copy(chained(rows), every=2), copy(chained(forged), every=1000)
    lines = [honest[0], *made_anew[1:]]  # the signed beginning cannot be made anew

    verdict = check(lines, [_SIGNER.public_key]).verdict

    assert (verdict.intact, verdict.fault) == (False, Fault.REWRITTEN)
    assert verdict.broken_at <= number


def test_a_checkpoint_narrows_where_a_chain_was_made_anew() -> None:
    rows: list[tuple[str, str, dict[str, str]]] = [(f"r{each}", "ann", {}) for each in range(9)]
    forged = [*rows[:6], ("forged", "mallory", {}), *rows[7:]]
    honest, made_anew = copy(chained(rows), every=3), chained(forged)
    lines = [each if b'"entry"' not in each else b"" for each in honest]
    for number, place in places(honest).items():
        lines[place] = entry_line(made_anew[number - 1])

    verdict = check(lines).verdict

    assert (verdict.broken_at, verdict.fault, verdict.proved) == (7, Fault.REWRITTEN, 6)


def test_a_forged_checkpoint_is_no_proof() -> None:
    entries = chained([("a", "b", {}), ("c", "d", {})])
    lines = copy(entries, every=100)
    value = json.loads(signed(2, entries[1].hash))
    value["statement"] = value["statement"].replace('"number": 2', '"number": 3')

    verdict = check([*lines, json.dumps(value).encode()]).verdict

    assert (verdict.intact, verdict.fault) == (False, Fault.UNSIGNED)


def test_who_signed_must_be_who_is_trusted() -> None:
    lines = copy(chained([("a", "b", {}), ("c", "d", {})]), signer=_STRANGER)

    assert check(lines).key_id == _STRANGER.key_id
    with pytest.raises(NotAnExport):
        check(lines, [_SIGNER.public_key])


@pytest.mark.parametrize("lines", [[], [b""], [b"{}"], [b"\x00"], [b'{"kind": "export"}']])
def test_another_file_is_refused(lines: list[bytes]) -> None:
    with pytest.raises(NotAnExport):
        check(lines)


@given(trails, st.data())
def test_the_signed_beginning_cannot_be_changed(
    rows: list[tuple[str, str, dict[str, str]]], data: st.DataObject
) -> None:
    lines = copy(chained(rows))
    first = json.loads(lines[0])
    statement = json.loads(first["statement"])
    name = data.draw(st.sampled_from(sorted(statement)))
    statement[name] = 1 if isinstance(statement[name], str) else statement[name] + 1
    first["statement"] = json.dumps(statement, sort_keys=True)
    lines[0] = json.dumps(first).encode()

    with pytest.raises(NotAnExport):
        check(lines)


@given(trails, st.data())
def test_an_entry_that_erasing_a_person_changed_is_vouched_for(
    rows: list[tuple[str, str, dict[str, str]]], data: st.DataObject
) -> None:
    entries = chained(rows)
    place = data.draw(st.integers(0, len(rows) - 1))
    pseudonym = replace(entries[place], actor=entries[place].actor + " gone")
    form = pseudonym.amended_form("acme")
    signatures = {each: each.private.sign(form) for each in (_SIGNER, _STRANGER)}

    for signer, intact in ((_SIGNER, True), (_STRANGER, False)):
        entries[place] = replace(pseudonym, amendment=signatures[signer])
        verdict = check(copy(entries), [_SIGNER.public_key]).verdict
        assert verdict.intact == intact
        assert verdict.broken_at == (0 if intact else place + 1)
