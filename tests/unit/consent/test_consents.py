"""What consents allow, when, and whose things may be shown."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.consent import ConsentMissing, ConsentPolicy, Consents, Grant

NOW = datetime(2026, 1, 1, tzinfo=UTC)
subjects = st.sampled_from(["ann", "bob", "eve"])
purposes = st.sampled_from(["memory", "retrieval"])
ends = st.none() | st.integers(-5, 5).map(lambda seconds: NOW + timedelta(seconds=seconds))
grants = st.dictionaries(st.builds(Grant, subjects, purposes), ends)
required = st.sets(purposes).map(lambda each: tuple(sorted(each)))


@given(grants, required, subjects)
def test_storing_needs_all_that_is_required(
    granted: dict[Grant, datetime | None], needed: tuple[str, ...], subject: str
) -> None:
    consents = Consents(ConsentPolicy(required_to_store=needed), granted)

    def counts(purpose: str) -> bool:
        grant = Grant(subject, purpose)
        return grant in granted and (granted[grant] or datetime.max.replace(tzinfo=UTC)) > NOW

    if all(map(counts, needed)):
        consents.require_to_store({subject, ""}, NOW)
    else:
        with pytest.raises(ConsentMissing):
            consents.require_to_store({subject, ""}, NOW)


@given(grants, required)
def test_the_named_are_those_that_are_shown(
    granted: dict[Grant, datetime | None], needed: tuple[str, ...]
) -> None:
    retrievable = Consents(ConsentPolicy(required_to_retrieve=needed), granted).retrievable(NOW)
    if not needed:
        assert retrievable is None
        return
    assert retrievable is not None
    shown = {each for each in ("", "ann", "bob", "eve") if retrievable.shows(each)}
    assert set(retrievable.named() or ()) == shown
    assert "" in shown


def test_too_many_are_not_named() -> None:
    granted = {Grant(f"p{number}", "retrieval"): None for number in range(501)}
    policy = ConsentPolicy(required_to_retrieve=("retrieval",))
    retrievable = Consents(policy, granted).retrievable(NOW)
    assert retrievable is not None
    assert retrievable.named() is None
    assert retrievable.shows("p7")
