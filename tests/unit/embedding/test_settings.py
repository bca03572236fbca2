from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from libs.embedding import Purpose, Text
from libs.embedding.settings import EmbeddingSettings, open_embedder
from libs.encryption.keyring import Keyring
from libs.encryption.kms_local import LocalKms
from libs.encryption.store_memory import MemoryKeyStore
from libs.redis import RedisSettings
from libs.usage.till import Unlimited
from tests.unit.encryption.support import make_route


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring(LocalKms.open(tmp_path / "keyring.json"), MemoryKeyStore())


async def test_the_default_works_offline(keyring: Keyring) -> None:
    async with open_embedder(
        EmbeddingSettings(), keyring, RedisSettings(), Unlimited()
    ) as embedder:
        vectors = await embedder.embed(make_route(), [Text("hello")], Purpose.QUERY)

    assert embedder.identity == "wordllama-l2-supercat/256/sif-1"
    assert vectors.shape == (1, embedder.dimensions)


OPENAI = {
    "provider": "openai",
    "base_url": "http://localhost/v1",
    "model": "text-embedding-3-small",
}


@pytest.mark.parametrize(
    ("values", "prefixes"),
    [
        ({}, (64, 128)),
        ({"dimensions": 64}, ()),
        (OPENAI | {"dimensions": 1536}, (512,)),
        (OPENAI | {"model": "text-embedding-3-large", "dimensions": 1024}, (256,)),
        (OPENAI | {"trained": [768, 1536, 256], "dimensions": 1536}, (256, 768)),
        (OPENAI | {"model": "m", "dimensions": 384}, ()),
    ],
)
async def test_vectors_may_be_cut_to_what_the_model_was_trained_for(
    values: dict[str, object], prefixes: tuple[int, ...], keyring: Keyring
) -> None:
    settings = EmbeddingSettings.model_validate(values)
    async with open_embedder(settings, keyring, RedisSettings(), Unlimited()) as embedder:
        assert embedder.prefixes == prefixes


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"dimensions": 384}, "trained for dimensions 64, 128, 256, not 384"),
        ({"trained": [128, 256]}, "local model was trained for is known"),
        (OPENAI | {"dimensions": 256}, "trained for dimensions 512, 1536, not 256"),
        (OPENAI | {"model": "m", "trained": [64, 512]}, "trained for dimensions 64, 512, not 256"),
        ({"provider": "openai", "model": "m"}, "base_url and model"),
        ({"provider": "openai", "base_url": "http://localhost/v1"}, "base_url and model"),
        ({"timeout": 0}, "greater than 0"),
        ({"texts_per_minute": -1}, "greater than or equal to 0"),
        ({"cache": {"slots": 0}}, "greater than 0"),
        ({"cache": {"error_bound": 1.5}}, "less than or equal to 1"),
        ({"cache": {"cosine_bar": 1}}, "less than 1"),
        ({"provider": "bedrock"}, "'local' or 'openai'"),
    ],
)
def test_settings_that_cannot_work_are_refused(values: dict[str, object], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        EmbeddingSettings.model_validate(values)


def test_the_key_is_not_shown() -> None:
    assert "sesame" not in repr(EmbeddingSettings(api_key=SecretStr("sesame")))
