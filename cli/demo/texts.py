"""What is said and written on the day: Harborline Payments has an incident, Lumen & Field
a client."""

from __future__ import annotations  # enum types of the contract exist for type checkers only

from typing import TypeAlias

from aeterna.memory.v1 import memory_pb2 as pb

MIRA, TOMAS, ADAEZE, JONAS = "mira.solberg", "tomas.reyes", "adaeze.obi", "jonas.weir"
NOOR, JUN = "noor.haddad", "jun.ito"
SCRIBE, KEEPER = "pager-scribe", "brief-keeper"
TEAM, PROJECT, ORG = "payments-platform", "card-api", "engineering"
INCIDENT = "incident-4121"

TURNS = (
    ("Mira", "Checkout p99 went from 300 ms to 9 seconds at 08:12. Card payments time out; wallets"
     " are fine."),
    ("scribe", "The card path keeps its database connection while it waits for the 3-D Secure"
     " provider; wallets do not."),
    ("Mira", "The connection pool of card-api is at 40 of 40 and the queue grows. Restarting a pod"
     " helps for two minutes."),
    ("scribe", "Release 2026.11.2, rolled out yesterday at 17:40, raised the 3-D Secure timeout"
     " from 2 to 15 seconds."),
    ("Mira", "I am rolling that timeout back to 2 seconds now."),
    ("scribe", "Rollback finished at 08:31. The pool is down to 11 of 40 and p99 is 280 ms."),
    ("Mira", "Customers were affected for 19 minutes. Support counts 212 tickets; no refunds are"
     " due."),
    ("scribe", "I will draft the review: cause, timeline, and a rule about remote calls that hold"
     " a connection."),
)  # fmt: skip
CALLER = "Lena Brandt, +47 555 01 32, was charged twice and wants a call back this afternoon."
_LESSON = (
    "Check the 3-D Secure timeout before touching the pool size: a slow provider looks like a"
    " small pool. Who to ask there: {}, {}."
)
LESSON = _LESSON.format("duty@tds-provider.example", "+47 22 12 34 56")
LESSON_REDACTED = _LESSON.format("[email]", "[phone]")
POOL = "card-api keeps at most 40 database connections per pod."
POOL_CORRECTED = "card-api keeps at most 24 database connections per pod, since the move to HA."
FREEZE = "Production is frozen from 20 December to 3 January, but for security fixes."

Fact: TypeAlias = "tuple[pb.Layer.ValueType, dict[str, str], str]"  # layer, ids, text
FACTS: tuple[Fact, ...] = (
    (pb.LAYER_AGENT, {"user_id": MIRA, "agent_id": SCRIBE},
     "When you page Mira, begin with the impact on customers, then the graph: she reads on her"
     " phone."),
    (pb.LAYER_USER, {"user_id": MIRA},
     "Mira is on call until Friday 09:00, then Tomas takes over."),
    (pb.LAYER_USER, {"user_id": MIRA}, LESSON),
    (pb.LAYER_PROJECT, {"project_id": PROJECT}, POOL),
    (pb.LAYER_PROJECT, {"project_id": PROJECT},
     "The settlement job starts at 01:30 UTC every night and must never run twice."),
    (pb.LAYER_TEAM, {"team_id": TEAM},
     "Undoing a release needs no approval in the payments team; going forward again needs the tech"
     " lead's."),
    (pb.LAYER_ORG, {"org_id": ORG},
     "Reviews of incidents are due within five working days and name no individuals."),
    (pb.LAYER_COMPANY, {}, FREEZE),
)  # fmt: skip

# question, the beginning of what has to be found first
QUESTIONS = (
    ("why could customers not pay by card this morning?", TURNS[0][1]),
    ("may I release a feature between Christmas and New Year?", FREEZE),
    ("how many database connections may a pod open?", POOL),
    ("what should I look at first when the pool is exhausted?", LESSON),
)

OLD_RULE = (
    "Wait up to 15 seconds for 3-D Secure",
    "Banks answer slowly in the evening. A longer timeout loses fewer payments than a retry.",
)
NOTE = "Card payments are frozen over the holidays. "
NOTE_BEFORE = "Payments: "
NOTE_AFTER = "Security fixes go out all the same."
RULE_TITLE = "No remote call while a database connection is held"
RULE_DRAFT = "Give the connection back before calling another service."
RULE = """## Context
On 23 November the card path kept a connection for as long as a provider took to answer. When the
provider needed 15 seconds, 40 connections served fewer than three payments a second.

## Decision
A handler gives its connection back before it calls anything outside of its own process, and takes
one again to write the result. Timeouts towards providers stay at 2 seconds.

## Consequences
A payment is two short transactions; the step between them can be repeated under its request id.
"""
RULE_QUESTION = "may a handler call another service while it holds a database connection?"

LUMEN_FACTS: tuple[Fact, ...] = (
    (pb.LAYER_PROJECT, {"project_id": "aquarium-identity"},
     "The aquarium wants an identity that works at night: light type on deep blue, no gradients."),
    (pb.LAYER_PROJECT, {"project_id": "aquarium-identity"},
     "Round two of the logo goes to the client on Thursday at noon, as a PDF and on paper."),
    (pb.LAYER_USER, {"user_id": JUN},
     "Jun prefers feedback in writing before a call."),
    (pb.LAYER_COMPANY, {},
     "Typefaces are licensed per client; never carry one over to another project."),
)  # fmt: skip
LUMEN_QUESTION = "which colours should the aquarium's signs have after sunset?"
