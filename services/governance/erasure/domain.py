"""What an erasure reports and certifies, and what it makes of actors and other texts. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from libs.erasure import Erasure, Strategy
from libs.erasure.registry import CONTROL, OTHERS, TABLES, WORDS, Store
from libs.erasure.texts import pattern

PURPOSE = "aeterna.erasure.v1"  # of the signatures of certificates
CONTROL_PREFIX = "control."


@dataclass(frozen=True, slots=True)
class Kept:
    """An erasure as the ledger has it."""

    id: UUID
    strategy: Strategy
    reference: str
    pseudonym: str
    operation: UUID | None
    report: Sequence[Mapping[str, Any]]
    certificate: str
    lifted: bool
    created_at: datetime
    completed_at: datetime | None


def stores() -> dict[str, Store]:
    """Every store by its name in reports."""
    control = {f"{CONTROL_PREFIX}{name}": store for name, store in CONTROL.items()}
    return {**TABLES, **control, **OTHERS}


def reported(
    found: Mapping[str, int], erased: Mapping[str, int], left: Mapping[str, int]
) -> list[dict[str, Any]]:
    """What became of each store; those that nobody has registered are there if anything is left."""
    known = stores()
    lines = []
    for name in [*known, *sorted(left.keys() - known.keys())]:
        store = known.get(name)
        remains = left.get(name, 0)
        why = f"{store.treatment}: {store.why}" if store else "not in the registry"
        lines.append(
            {
                "store": name,
                "found": max(found.get(name, 0), erased.get(name, 0), remains),
                "erased": erased.get(name, 0),
                "left": remains,
                "why": why,
            }
        )
    return lines


def statement(
    tenant: str, erasure: Kept, report: Sequence[Mapping[str, Any]], keys: int, now: datetime
) -> dict[str, Any]:
    """What the certificate of an erasure says."""
    return {
        "tenant": tenant,
        "erasure": f"erasures/{erasure.id}",
        "reference": erasure.reference,
        "strategy": erasure.strategy.value,
        "requestedAt": _text(erasure.created_at),
        "completedAt": _text(now),
        "keysDestroyed": keys,
        "negativeScan": {"stores": len(report), "left": sum(each["left"] for each in report)},
        "stores": [dict(each) for each in report],
    }


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def escaped(name: str) -> str:
    """A name as it stands in an actor: see libs.auth.identity."""
    return name.replace("%", "%25").replace(" ", "%20")


def actor_parts(erasure: Erasure) -> list[str]:
    """The parts of actors that name the person."""
    kinds = ("user", "agent")
    return [f"{kind}:{escaped(name)}" for kind in kinds for name in erasure.names]


def renamed_actor(actor: str, erasure: Erasure) -> str:
    """The actor with a pseudonym in the person's place."""
    parts = set(actor_parts(erasure))
    return " for ".join(
        f"{part.partition(':')[0]}:{erasure.pseudonym}" if part in parts else part
        for part in actor.split(" for ")
    )


def renamed_resource(name: str, erasure: Erasure) -> str:
    """The same for the name of a resource, which may be that of the person: `users/ann`."""
    ids = "|".join(map(re.escape, sorted(erasure.names, key=len, reverse=True)))
    return re.sub(rf"/(?:{ids})(?=/|\Z)", f"/{erasure.pseudonym}", renamed_text(name, erasure))


def renamed_details(details: Mapping[str, str], erasure: Erasure) -> dict[str, str]:
    """The same for texts by their names, some of which are words of ours."""
    return {
        name: _without_identifiers(text, erasure) if name in WORDS else renamed_text(text, erasure)
        for name, text in details.items()
    }


def renamed_text(text: str, erasure: Erasure) -> str:
    """The same for a text that may hold anything."""
    if text in erasure.names:
        return erasure.pseudonym
    return _without_identifiers(text, erasure)


def _without_identifiers(text: str, erasure: Erasure) -> str:
    found = pattern(erasure.identifiers)
    return found.sub(lambda _: erasure.pseudonym, text) if found else text
