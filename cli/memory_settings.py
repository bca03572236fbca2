"""`aeterna memory settings`: how the memory service works for the tenant."""

from enum import StrEnum
from typing import Annotated

import typer

from aeterna.memory.v1 import memory_pb2
from aeterna.memory.v1 import settings_pb2 as pb
from cli.arguments import enum, rates
from cli.command import command
from cli.session import Session
from cli.show import Shown
from libs.errors import invalid

app = typer.Typer(help="Show and change how memory works for the tenant.", no_args_is_help=True)
NAME = "memorySettings"


class DefaultStrategy(StrEnum):
    """How to search when a request does not say; unspecified: as the server likes best."""

    UNSPECIFIED = "unspecified"
    SEMANTIC = "semantic"
    LEXICAL = "lexical"
    HYBRID = "hybrid"
    REASONED = "reasoned"


class NearDuplicates(StrEnum):
    """What to do about new memories that say nearly the same as one there is."""

    UNSPECIFIED = "unspecified"
    OFF = "off"
    REPORT = "report"
    MERGE = "merge"


class Setting(StrEnum):
    """What can be set, by the name of its option."""

    DEFAULT_SEARCH_STRATEGY = "default-search-strategy"
    SEMANTIC_CACHE = "semantic-cache"
    SEMANTIC_CACHE_ERROR_BOUND = "semantic-cache-error-bound"
    INDEX_DIMENSIONS = "index-dimensions"
    NEAR_DUPLICATES = "near-duplicates"
    DECAY_RATES = "decay-rate"
    WARM_BELOW = "warm-below"
    ARCHIVED_BELOW = "archived-below"


@command(app, "get")
async def get(session: Session) -> Shown:
    """Show the settings; what is not shown has its default."""
    request = pb.GetMemorySettingsRequest(name=NAME)
    return await session.memory_settings.GetMemorySettings(request)


@command(app, "set", example="aeterna memory settings set --default-search-strategy lexical")
async def set_(
    session: Session,
    default_search_strategy: Annotated[
        DefaultStrategy | None,
        typer.Option(help="How to search when a request does not say.", show_default=False),
    ] = None,
    semantic_cache: Annotated[
        bool | None,
        typer.Option(
            help="Embed questions like others that ask the same in other words.", show_default=False
        ),
    ] = None,
    semantic_cache_error_bound: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="The share of these that may be wrong.", show_default=False
        ),
    ] = None,
    index_dimensions: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Length of the vectors that are searched; 0: whole. Begins an operation.",
            show_default=False,
        ),
    ] = None,
    near_duplicates: Annotated[
        NearDuplicates | None,
        typer.Option(
            help="Tell of new memories that say nearly the same as others, or count those that say"
            " nothing more.",
            show_default=False,
        ),
    ] = None,
    decay_rate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LAYER=RATE",
            help="How fast importance fades a day, in place of all rates given before; default.",
            show_default=False,
        ),
    ] = None,
    warm_below: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Below: found by words alone.", show_default=False),
    ] = None,
    archived_below: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Below: found by no search.", show_default=False),
    ] = None,
    default: Annotated[
        list[Setting] | None,
        typer.Option(help="Go back to the default of this setting.", show_default=False),
    ] = None,
    version: Annotated[
        int, typer.Option(help="Only if this is still the version; 0: whichever it is.")
    ] = 0,
) -> Shown:
    """Change what is given; needs an administrator."""
    request = pb.UpdateMemorySettingsRequest()
    settings = request.memory_settings
    settings.name, settings.version = NAME, version
    if default_search_strategy:
        strategy = enum(memory_pb2.SearchStrategy, default_search_strategy)
        settings.default_search_strategy = memory_pb2.SearchStrategy.ValueType(strategy)
        request.update_mask.paths.append("default_search_strategy")
    if near_duplicates:
        policy = enum(pb.NearDuplicatePolicy, near_duplicates)
        settings.near_duplicates = pb.NearDuplicatePolicy.ValueType(policy)
        request.update_mask.paths.append("near_duplicates")
    if decay_rate:
        settings.decay_rates.update(rates(decay_rate, "decay_rate"))
        request.update_mask.paths.append("decay_rates")
    numbers = {
        "semantic_cache": semantic_cache,
        "semantic_cache_error_bound": semantic_cache_error_bound,
        "index_dimensions": index_dimensions,
        "warm_below": warm_below,
        "archived_below": archived_below,
    }
    for name, value in numbers.items():
        if value is not None:
            setattr(settings, name, value)
            request.update_mask.paths.append(name)
    for each in default or ():
        if each.name.lower() in request.update_mask.paths:
            raise invalid("default", f"{each} is given a value as well")
        request.update_mask.paths.append(each.name.lower())
    return await session.memory_settings.UpdateMemorySettings(request)
