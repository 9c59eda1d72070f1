"""`tapeline serve-venue`: a local venue that speaks a real one's protocol, from a recording or a synthetic market."""

import asyncio
import json
import ssl
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import structlog
from cyclopts import Parameter

from tapeline.clock import SystemClock
from tapeline.config import LogConfig
from tapeline.errors import ConfigError
from tapeline.sim.certificate import tls
from tapeline.sim.faults import fault as read_fault
from tapeline.sim.load import recording
from tapeline.sim.market import Market
from tapeline.sim.paper import PaperSettings
from tapeline.sim.server import serving
from tapeline.sim.source import Source
from tapeline.sim.venue import SimulatedVenue
from tapeline.surfaces.log import configure_logging
from tapeline.surfaces.loop import run_until_signalled
from tapeline.surfaces.paper_options import PaperOptions
from tapeline.venues import venue_named
from tapeline.venues.spec import Venue

PLAIN = PaperOptions()  # no paper exchange
_log = structlog.get_logger()


def serve_venue(
    venue: Annotated[str, Parameter(help="Name of the venue, as `tapeline venues` lists them.")],
    *,
    tape: Annotated[
        tuple[Path, ...],
        Parameter(negative=(), help="A recorded session (.ws.jsonl[.gz]); repeat it for more: they play as one."),
    ] = (),
    rest: Annotated[
        tuple[Path, ...], Parameter(negative=(), help="Recorded REST answers (.rest.jsonl[.gz]); repeat it for more.")
    ] = (),
    market: Annotated[int | None, Parameter(help="Seed of a synthetic market, instead of a tape.")] = None,
    speed: Annotated[str, Parameter(help="How much faster than the clock: a factor, or `max`.")] = "1",
    fault: Annotated[
        tuple[str, ...],
        Parameter(negative=(), help="KIND@WHEN[+DURATION][:PARAM] or random:SEED[:PER_HOUR]; repeat it for more."),
    ] = (),
    port: Annotated[int, Parameter(help="The port; 0 for any free one.")] = 0,
    options: PaperOptions = PLAIN,
) -> None:
    """Serve a venue's WebSocket and REST on a loopback port, until SIGTERM or SIGINT.

    Prints one JSON line as soon as it accepts connections; logs go to stderr. With --paper it takes orders too.

    Exit codes: 0 stopped, 2 a file, a fault or an option is wrong, or the port is taken.

    Example: `tapeline serve-venue binance --tape day.ws.jsonl.gz --speed max --fault cut@2024-08-08T23:56:30Z+20s`
    """
    configure_logging(LogConfig())
    spoken = venue_named(venue)
    sim = _simulated(spoken, _source_of(spoken, tape, rest, market), _speed(speed), fault, options.settings())
    try:
        if options.tls:
            with tempfile.TemporaryDirectory(prefix="tapeline-") as folder:
                secured = tls(Path(folder), SystemClock.wall_ns())
                run_until_signalled(lambda stop: _serve(sim, port, stop, secured))
        else:
            run_until_signalled(lambda stop: _serve(sim, port, stop))
    except OSError as trouble:
        raise ConfigError(f"port {port} cannot be served: {trouble}") from trouble


def _source_of(venue: Venue, tape: Sequence[Path], rest: Sequence[Path], market: int | None) -> Source:
    if venue.server is None:
        raise ConfigError(f"venue {venue.name!r} has no server side yet: it cannot be simulated")
    if bool(tape) == (market is not None):
        raise ConfigError("say what to serve: either --tape FILE (and --rest FILE) or --market SEED")
    if market is not None:
        if rest:
            raise ConfigError("--rest belongs to --tape: a synthetic market answers REST itself")
        return Market(venue, market, SystemClock.wall_ns())
    return recording(venue, tape, rest)


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < 1e6:
        raise ConfigError(f"--speed {text}: write a factor such as 1 or 20, or max")
    return speed


def _simulated(
    venue: Venue, source: Source, speed: float | None, faults: Sequence[str], paper: PaperSettings | None
) -> SimulatedVenue:
    log = _log.bind(venue=venue.name)
    specs = [read_fault(text) for text in faults]

    def say(what: str, **facts: object) -> None:
        log.info(what, **facts)

    return SimulatedVenue(venue, source, clock=SystemClock(), speed=speed, faults=specs, say=say, paper=paper)


async def _serve(
    sim: SimulatedVenue, port: int, stop: asyncio.Event, secured: tuple[ssl.SSLContext, Path] | None = None
) -> None:
    async with serving(sim, port=port, tls=None if secured is None else secured[0]) as found:
        place, s = f"127.0.0.1:{found}", "" if secured is None else "s"
        line = {"venue": sim.venue.name, "rest": f"http{s}://{place}", "ws": f"ws{s}://{place}"}
        if secured is not None:
            line["ca"] = str(secured[1])
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        await stop.wait()
