"""`tapeline serve-venue`: a local venue that speaks a real one's protocol, from a tape, a seed or the real market."""

import asyncio
import json
import ssl
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import structlog
from cyclopts import Parameter

from tapeline.clock import SystemClock
from tapeline.config import LogConfig
from tapeline.errors import ConfigError
from tapeline.sim.certificate import tls
from tapeline.sim.faults import Spec
from tapeline.sim.faults import fault as read_fault
from tapeline.sim.load import recording
from tapeline.sim.market import Market
from tapeline.sim.paper.exchange import PaperSettings
from tapeline.sim.playback import Say
from tapeline.sim.server import serving
from tapeline.sim.source import Source
from tapeline.sim.venue import SimulatedVenue
from tapeline.surfaces.live_options import LiveOptions
from tapeline.surfaces.live_options import market as live_market
from tapeline.surfaces.log import configure_logging
from tapeline.surfaces.loop import run_until_signalled
from tapeline.surfaces.paper_options import PaperOptions
from tapeline.venues import venue_named
from tapeline.venues.spec import Venue

PLAIN = PaperOptions()  # no paper exchange
RECORDED = LiveOptions()  # a tape or a seed
Secured = tuple[ssl.SSLContext, Path] | None  # TLS, and the certificate for clients
_log = structlog.get_logger()


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """Options for what is served, where it is not the real market: a tape, or a market from a seed."""

    tape: Annotated[
        tuple[Path, ...],
        Parameter(negative=(), help="A recorded session (.ws.jsonl[.gz]); repeat it for more: they play as one."),
    ] = ()
    rest: Annotated[
        tuple[Path, ...], Parameter(negative=(), help="Recorded REST answers (.rest.jsonl[.gz]); repeat it for more.")
    ] = ()
    market: Annotated[int | None, Parameter(help="Seed of a synthetic market, instead of a tape.")] = None

    def given(self) -> list[str]:
        """Those that were given."""
        asked = (("--tape", self.tape), ("--rest", self.rest), ("--market", self.market is not None))
        return [name for name, given in asked if given]

    def source(self, venue: Venue) -> Source:
        """What they name. Raises ConfigError."""
        if venue.server is None:
            raise ConfigError(f"venue {venue.name!r} has no server side yet: it cannot be simulated")
        if bool(self.tape) == (self.market is not None):
            raise ConfigError("say what to serve: either --tape FILE (and --rest FILE) or --market SEED, or --live")
        if self.market is not None:
            if self.rest:
                raise ConfigError("--rest belongs to --tape: a synthetic market answers REST itself")
            return Market(venue, self.market, SystemClock.wall_ns())
        return recording(venue, self.tape, self.rest)


NO_SOURCE = SourceOptions()


def serve_venue(
    venue: Annotated[str, Parameter(help="Name of the venue, as `tapeline venues` lists them.")],
    *,
    recorded: SourceOptions = NO_SOURCE,
    speed: Annotated[str, Parameter(help="How much faster than the clock: a factor, or `max`.")] = "1",
    fault: Annotated[
        tuple[str, ...],
        Parameter(negative=(), help="KIND@WHEN[+DURATION][:PARAM] or random:SEED[:PER_HOUR]; repeat it for more."),
    ] = (),
    port: Annotated[int, Parameter(help="The port; 0 for any free one.")] = 0,
    upstream: LiveOptions = RECORDED,
    options: PaperOptions = PLAIN,
) -> None:
    """Serve a venue's WebSocket and REST on a loopback port, until SIGTERM or SIGINT.

    Prints one JSON line as soon as it accepts connections; logs go to stderr. With --paper it takes orders too.

    With --live it passes on the real venue's market, as it comes: with --paper, orders meet that.

    Exit codes: 0 stopped, 1 the real venue does not answer, 2 a file, a fault or an option is wrong or the port taken.

    Example: `tapeline serve-venue binance --tape day.ws.jsonl.gz --speed max --fault cut@2024-08-08T23:56:30Z+20s`
    """
    configure_logging(LogConfig())
    if not 0 <= port < 1 << 16:
        raise ConfigError(f"port {port} cannot be served: ports are 1 to 65535, and 0 takes any free one")
    spoken = venue_named(venue)
    upstream.check([*recorded.given(), *(["--speed"] if speed != "1" else ())])
    source = None if upstream.live else recorded.source(spoken)
    made = partial(_simulated, spoken, _speed(speed), [read_fault(text) for text in fault], options.settings())
    try:
        with ExitStack() as folders:
            secured: Secured = None
            if options.tls:
                folder = folders.enter_context(tempfile.TemporaryDirectory(prefix="tapeline-"))
                secured = tls(Path(folder), SystemClock.wall_ns())

            async def run(stop: asyncio.Event) -> None:
                async with AsyncExitStack() as stack:
                    say = _saying(spoken)
                    found = source or await live_market(venue, upstream, stack, stop, say)
                    if found is not None:
                        await _serve(made(found), port, stop, secured)

            run_until_signalled(run)
    except OSError as trouble:
        raise ConfigError(f"port {port} cannot be served: {trouble}") from trouble


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


def _saying(venue: Venue) -> Say:
    log = _log.bind(venue=venue.name)

    def say(what: str, **facts: object) -> None:
        log.info(what, **facts)

    return say


def _simulated(
    venue: Venue, speed: float | None, faults: Sequence[Spec], paper: PaperSettings | None, source: Source
) -> SimulatedVenue:
    return SimulatedVenue(
        venue, source, clock=SystemClock(), speed=speed, faults=faults, say=_saying(venue), paper=paper
    )


async def _serve(sim: SimulatedVenue, port: int, stop: asyncio.Event, secured: Secured) -> None:
    async with serving(sim, port=port, tls=None if secured is None else secured[0]) as found:
        place, s = f"127.0.0.1:{found}", "" if secured is None else "s"
        line = {"venue": sim.venue.name, "rest": f"http{s}://{place}", "ws": f"ws{s}://{place}"}
        if secured is not None:
            line["ca"] = str(secured[1])
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        await stop.wait()
