import pytest
from pydantic import SecretStr, ValidationError

from libs.embedding.settings import EmbeddingSettings, open_embedder


async def test_the_default_works_offline() -> None:
    async with open_embedder(EmbeddingSettings()) as embedder:
        vectors = await embedder.embed(["hello"])

    assert embedder.identity == "wordllama-l2-supercat/256/sif-1"
    assert vectors.shape == (1, embedder.dimensions)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"dimensions": 384}, "local model has dimensions"),
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
