"""What the cache keeps of a text, as bytes: digests, counts and a vector, never a word of it. Pure.

An entry lies in a *slot*: a tenant has a fixed number of them in each tier, and its digest says
which is its own. So a tenant's share is bounded without counting, and one entry may drive out
another of the same tenant, never of another one; the digest in the value tells whose it is.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from libs.embedding import Vectors
from libs.embedding.rules import unit_rows
from libs.embedding.usage import Tier
from libs.embedding.wording import GROUPS, Signature
from libs.tenancy import TenantId

ASPECT_BYTES = 8
SUBJECT_BYTES = 8
_FORMAT = 1
_HEAD = struct.Struct(f"<B32sq{SUBJECT_BYTES}sIBB")
_ASPECT = struct.Struct(f"<B{ASPECT_BYTES}s")
_CONTEXT, _NAMES, _ESTIMATED = 1, 2, 4
_PREFIX = "aeterna:embedding"
PLAIN = Signature({}, context=False, names=False)  # of what has no rewordings


class Slots(NamedTuple):
    """The keys of a tenant, `each` in either tier."""

    tenant: TenantId
    each: int

    def key(self, tier: Tier, digest: bytes) -> str:
        """Where the entry of a digest lies."""
        return f"{_PREFIX}:{self.tenant}:{tier}:{int.from_bytes(digest[:8]) % self.each:x}"

    def evidence(self, model: bytes) -> str:
        """Where it lies what the checks of a model told; the model as a digest."""
        return f"{_PREFIX}:{self.tenant}:evidence:{model.hex()}"


@dataclass(frozen=True, slots=True)
class Entry:
    """The vector of a text.

    Attributes:
        digest: Of what has to be equal, 32 bytes.
        number: The tenant's newest change when it was made: later invalidations concern it.
        subject: Digest of the user that the text is about.
        tokens: What it cost; `estimated` if the provider did not say.
        vector: float32, of length 1; stored as float16.
    """

    digest: bytes
    number: int
    subject: bytes
    tokens: int
    estimated: bool
    signature: Signature
    vector: Vectors

    def to_bytes(self) -> bytes:
        aspects = self.signature.aspects
        flags = _CONTEXT * self.signature.context | _NAMES * self.signature.names
        flags |= _ESTIMATED * self.estimated
        head = (_FORMAT, self.digest, self.number, self.subject, self.tokens, flags, len(aspects))
        parts = [_HEAD.pack(*head)]
        parts += [_ASPECT.pack(GROUPS.index(group), aspects[group]) for group in aspects]
        return b"".join([*parts, self.vector.astype("<f2").tobytes()])

    @classmethod
    def parse(cls, data: bytes | None, digest: bytes, dimensions: int) -> Self | None:
        """What `to_bytes` made; None when there is nothing, or something else than is wanted."""
        if data is None or len(data) < _HEAD.size:
            return None
        form, found, number, subject, tokens, flags, count = _HEAD.unpack_from(data)
        body = data[_HEAD.size + count * _ASPECT.size :]
        if form != _FORMAT or found != digest or len(body) != 2 * dimensions:
            return None
        aspects = _aspects(data, count)
        (vector,) = unit_rows(np.frombuffer(body, "<f2")[None].astype(np.float32))
        if aspects is None or not np.isfinite(vector).all():
            return None
        signature = Signature(aspects, context=bool(flags & _CONTEXT), names=bool(flags & _NAMES))
        estimated = bool(flags & _ESTIMATED)
        return cls(digest, number, subject, tokens, estimated, signature, vector)


def _aspects(data: bytes, count: int) -> Mapping[str, bytes] | None:
    """By group of rewrites; None when there is one that this release does not know."""
    pairs = list(_ASPECT.iter_unpack(data[_HEAD.size : _HEAD.size + count * _ASPECT.size]))
    if any(group >= len(GROUPS) for group, _ in pairs):
        return None
    return {GROUPS[group]: aspect for group, aspect in pairs}
