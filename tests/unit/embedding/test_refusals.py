"""Texts that a provider refuses, among others that it takes."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pytest

from libs.embedding import Purpose, TenantEmbedder, Text, Vectors
from libs.embedding.errors import EmbedderRefused, TextRefused
from libs.embedding.refusals import unless_refused

ROUTE: Any = None


class Provider:
    """Refuses a call with a text that it does not like; `unlike` is in such texts."""

    def __init__(self, unlike: str) -> None:
        self.unlike = unlike

    async def embed(self, route: object, texts: Sequence[Text], purpose: Purpose) -> Vectors:
        assert purpose is Purpose.DOCUMENT
        if any(self.unlike in each.content for each in texts):
            raise TextRefused("test", 400)
        return np.array([[len(each.content)] for each in texts], np.float32)


async def vectors(unlike: str, *texts: str) -> list[float | None]:
    embedder = cast("TenantEmbedder", Provider(unlike))
    found = await unless_refused(embedder, ROUTE, [Text(each) for each in texts])
    return [None if each is None else float(each[0]) for each in found]


async def test_the_others_have_their_vectors_in_their_order() -> None:
    assert await vectors("bad", "a", "bad", "ccc") == [1.0, None, 3.0]
    assert await vectors("bad", "a", "bb") == [1.0, 2.0]
    assert await vectors("bad") == []


async def test_all_of_some_texts_may_be_refused() -> None:
    assert await vectors("bad", "bad one", "bad two") == [None, None]


async def test_a_provider_that_refuses_everything_is_not_the_texts_fault() -> None:
    with pytest.raises(TextRefused):
        await vectors("", "a", "bb")


async def test_other_failures_are_what_they_are() -> None:
    class Keyless:
        async def embed(self, route: object, texts: Sequence[Text], purpose: Purpose) -> Vectors:
            raise TextRefused("test", 400) if len(texts) > 1 else EmbedderRefused("test", 401)

    with pytest.raises(EmbedderRefused):
        await unless_refused(cast("TenantEmbedder", Keyless()), ROUTE, [Text("a"), Text("b")])
