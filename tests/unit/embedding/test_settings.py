import pytest
from pydantic import SecretStr, ValidationError

from libs.embedding.settings import EmbeddingSettings, open_embedder


async def test_the_default_works_offline() -> None:
    async with open_embedder(EmbeddingSettings()) as embedder:
        vectors = await embedder.embed(["hello"])

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
    values: dict[str, object], prefixes: tuple[int, ...]
) -> None:
    async with open_embedder(EmbeddingSettings.model_validate(values)) as embedder:
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
        ({"provider": "bedrock"}, "'local' or 'openai'"),
    ],
)
def test_settings_that_cannot_work_are_refused(values: dict[str, object], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        EmbeddingSettings.model_validate(values)


def test_the_key_is_not_shown() -> None:
    assert "sesame" not in repr(EmbeddingSettings(api_key=SecretStr("sesame")))
