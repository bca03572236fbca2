"""Makes commands out of async functions that call the services and return what they answered.

The shared options, the session, errors and printing are added here, once.
"""

import inspect
from collections.abc import Callable, Coroutine, Iterator
from copy import copy
from dataclasses import fields, is_dataclass, replace
from typing import Annotated, Any, get_args

import typer

from cli import interrupts
from cli.exits import exits
from cli.options import Options
from cli.session import open_session
from cli.show import Shown, show
from libs.clients import client_errors

Function = Callable[..., Coroutine[Any, Any, Shown | None]]


def command(
    app: typer.Typer,
    name: str,
    *,
    role: str = "tenant_admin",
    example: str = "",
    panel: str | None = None,
    offline: Callable[..., Shown | None] | None = None,
) -> Callable[[Function], Function]:
    """Adds the function to `app`. Its first parameter is the session; parameters whose type is a
    dataclass become one option for each field.

    Args:
        role: Of the token that is minted when none is given.
        example: Shown below the help.
        panel: Where it is listed.
        offline: Takes the options and the values first; what it returns is shown, and no service
            is called, unless it is None.
    """

    def add(function: Function) -> Function:
        def run(ctx: typer.Context, **values: Any) -> None:
            options = given(ctx, values)
            with exits():
                shown = offline(options, **values) if offline else None
                if shown is None:
                    shown = interrupts.run(_call(function, options, role, values))
                show(shown, options.output)

        _expose(run, function)
        app.command(
            name,
            help=inspect.getdoc(function),
            epilog=example and _example(example),
            rich_help_panel=panel,
        )(run)
        return function

    return add


def given(ctx: typer.Context, values: dict[str, Any]) -> Options:
    """Takes the shared options out of the values; those after the command have precedence."""
    own = {field.name: values.pop(field.name, None) for field in fields(Options)}
    before: Options = ctx.obj or Options()
    return replace(before, **{name: value for name, value in own.items() if value is not None})


def shared_parameters(*, with_environment: bool) -> list[inspect.Parameter]:
    """The shared options. Variables count at the root alone: behind a command they would beat an
    option before it."""
    return [
        each if with_environment else each.replace(annotation=_without_variable(each.annotation))
        for each in _expanded(Options)
    ]


async def _call(
    function: Function, options: Options, role: str, values: dict[str, Any]
) -> Shown | None:
    async with open_session(options, role) as session:
        with client_errors():
            return await function(session, **_bundled(function, values))


def _expose(run: Callable[..., None], function: Function) -> None:
    """Gives `run` the parameters that Typer is to see."""
    context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    own = [each for parameter in _own(function) for each in _options_of(parameter)]
    parameters = [context, *own, *shared_parameters(with_environment=False)]
    setattr(run, "__signature__", inspect.Signature(parameters))  # noqa: B010 - functions have it, their type does not say so
    run.__annotations__ = {each.name: each.annotation for each in parameters}


def _own(function: Function) -> list[inspect.Parameter]:
    """All but the session."""
    return list(inspect.signature(function).parameters.values())[1:]


def _options_of(parameter: inspect.Parameter) -> list[inspect.Parameter]:
    if is_dataclass(parameter.annotation):
        return list(_expanded(parameter.annotation))
    return [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)]


def _expanded(bundle: Any) -> Iterator[inspect.Parameter]:
    for field in fields(bundle):
        yield inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=field.type,
        )


def _bundled(function: Function, values: dict[str, Any]) -> dict[str, Any]:
    """The values as the function wants them: the fields of dataclasses put together again."""
    for parameter in _own(function):
        if is_dataclass(bundle := parameter.annotation):
            own = {field.name: values.pop(field.name) for field in fields(bundle)}
            values[parameter.name] = bundle(**own)  # type: ignore[operator]  # a class, not an instance
    return values


def _without_variable(annotation: Any) -> Any:
    kind, option = get_args(annotation)
    bare = copy(option)
    bare.envvar = None
    return Annotated[kind, bare]


def _example(text: str) -> str:
    return "[bold]Example:[/bold]\n\n" + "\n\n".join(text.strip().splitlines())
