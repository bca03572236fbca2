"""Which prefixes of a model's vectors mean something: those that it was trained for. Pure."""

from collections.abc import Mapping, Sequence

# Ascending; the last is the model's own length.
TRAINED: Mapping[str, tuple[int, ...]] = {
    # wordllama's `l2_supercat`; longer ones exist, the package carries 256.
    "wordllama-l2-supercat": (64, 128, 256),
    # OpenAI, "New embedding models and API updates", January 2024: the lengths it reports.
    "text-embedding-3-small": (512, 1536),
    "text-embedding-3-large": (256, 1024, 3072),
}


def trained(model: str, given: Sequence[int] = ()) -> tuple[int, ...]:
    """The lengths that a model was trained for, ascending: those `given`, else the known ones;
    empty for an unknown model."""
    return tuple(sorted(set(given))) or TRAINED.get(model, ())


def prefixes(model: str, dimensions: int, given: Sequence[int] = ()) -> tuple[int, ...]:
    """The shorter lengths that vectors of so many dimensions may be cut to, ascending.

    Raises:
        ValueError: The model was not trained for so many dimensions.
    """
    lengths = trained(model, given)
    if lengths and dimensions not in lengths:
        raise ValueError(
            f"{model} was trained for dimensions {', '.join(map(str, lengths))}, not {dimensions}"
        )
    return tuple(length for length in lengths if length < dimensions)
