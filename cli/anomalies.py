"""`aeterna anomaly`: what is unusual in the series of a tenant."""

from typing import Annotated

import typer

from aeterna.governance.v1 import anomalies_pb2 as pb
from cli.arguments import name
from cli.command import command
from cli.paging import Limit, collect
from cli.session import Session
from cli.show import Shown, plain

app = typer.Typer(help="See what is unusual in calls and their cost.", no_args_is_help=True)


@command(app, "list", example="aeterna anomaly list --filter 'severity = \"high\"'")
async def list_(
    session: Session,
    filter: Annotated[
        str, typer.Option(help="By metric, kind, severity and period_time (AIP-160).")
    ] = "",
    limit: Limit = 50,
) -> Shown:
    """List anomalies, newest first."""
    request = pb.ListAnomaliesRequest(filter=filter)
    return await collect(session.anomalies.ListAnomalies, request, "anomalies", limit)


@command(app, "show", example="aeterna anomaly show anomalies/0198...")
async def show(
    session: Session,
    anomaly: Annotated[str, typer.Argument(help="Its name, or the id alone.")],
    points: Annotated[
        bool, typer.Option("--points", help="The series around it instead of words.")
    ] = False,
) -> Shown:
    """Say an anomaly in words: what, expected and observed, since when, how severe, why."""
    request = pb.ExplainAnomalyRequest(name=name("anomalies", anomaly))
    found = await session.anomalies.ExplainAnomaly(request)
    if points:
        return list(found.points)
    return found if session.options.output else plain(found.text)


@command(app, "detectors")
async def detectors(session: Session) -> Shown:
    """List how each series is watched."""
    request = pb.ListAnomalyDetectorsRequest()
    return list((await session.anomalies.ListAnomalyDetectors(request)).anomaly_detectors)


@command(app, "configure", example="aeterna anomaly configure latency --sensitivity 0.5")
async def configure(
    session: Session,
    metric: Annotated[str, typer.Argument(help="volume, error-rate, latency or cost.")],
    sensitivity: Annotated[
        float | None, typer.Option(help="Adaptive rule: 2 halves the bar.", show_default=False)
    ] = None,
    sigma: Annotated[
        float | None,
        typer.Option(help="Plain rule: so many standard deviations.", show_default=False),
    ] = None,
    window: Annotated[int, typer.Option(help="Of the plain rule, in periods.")] = 100,
    floor: Annotated[
        float | None,
        typer.Option(help="Smaller deviations are never unusual.", show_default=False),
    ] = None,
    mute: Annotated[
        bool | None, typer.Option("--mute/--unmute", help="Learn, and raise nothing.")
    ] = None,
) -> Shown:
    """Change how a series is watched; needs an administrator."""
    if sensitivity is not None and sigma is not None:
        raise typer.BadParameter("choose one of --sensitivity and --sigma")
    detector = pb.AnomalyDetector(name=name("anomalyDetectors", metric))
    request = pb.UpdateAnomalyDetectorRequest(anomaly_detector=detector)
    given = request.anomaly_detector
    if sensitivity is not None:
        given.adaptive.sensitivity = sensitivity
    if sigma is not None:
        given.sigma.factor, given.sigma.window = sigma, window
    if floor is not None:
        given.floor = floor
    if mute is not None:
        given.muted = mute
    chosen = {"rule": sensitivity if sigma is None else sigma, "floor": floor, "muted": mute}
    request.update_mask.paths.extend(key for key, value in chosen.items() if value is not None)
    return await session.anomalies.UpdateAnomalyDetector(request)
