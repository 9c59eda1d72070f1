"""`tapeline backfill`: history from the venues' REST calls into a store."""

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from tapeline.app.history.backfill import Backfill, Plan
from tapeline.app.history.filling import fill
from tapeline.errors import ConfigError
from tapeline.model.channel import channel
from tapeline.model.instrument import split_id
from tapeline.model.stamp import instant
from tapeline.surfaces.filling_view import summary, watcher
from tapeline.surfaces.log import configure_logging
from tapeline.surfaces.loop import run_until_signalled
from tapeline.surfaces.options import Addresses, RestUrl, SomeInstruments, configured, instant_or_none, named, store_of


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesOptions:
    """Options for what is fetched of each instrument."""

    bars: Annotated[
        tuple[str, ...], Parameter(negative=(), help="An interval of the venue's bars; repeat it for several.")
    ] = ()
    trades: Annotated[
        bool, Parameter(negative=(), help="Trades: those of the venue that can be had without a key.")
    ] = False
    aggtrades: Annotated[bool, Parameter(negative=(), help="Aggregated trades, where the venue has them.")] = False

    def channels(self) -> tuple[str, ...]:
        """As in topics. `trades` are not among them: which those are, the venue says. Raises ConfigError."""
        return (
            *(str(channel(f"bars:{interval}")) for interval in self.bars), *(("aggtrades",) if self.aggtrades else ())
        )  # fmt: skip


NOTHING = SeriesOptions()


def backfill(
    instruments: SomeInstruments,
    /,
    *,
    store: Annotated[
        Path | None,
        Parameter(help="The store's folder; it is made where there is none. Left out: the configuration's."),
    ] = None,
    from_: Annotated[str, Parameter(name="--from", help="From this time on: ISO 8601 in UTC, or nanoseconds.")],
    to: Annotated[str | None, Parameter(help="Up to, not including, this time; now where it is not given.")] = None,
    series: SeriesOptions = NOTHING,
    config: Addresses = None,
    rest_url: RestUrl = None,
) -> None:
    """Fetch history into a store: many instruments at once, as fast as each venue's limits allow.

    Progress goes to stderr, what was found to stdout. It may be stopped and called again: it goes on with what is
    missing. What a venue no longer has is said, and noted in the store.

    Exit codes: 0 all that the venues have is there, 1 something is missing or in dispute, or the store is in use,
    2 bad usage.

    Example: `tapeline backfill binance:BTC/USDT --bars 1m --from 2024-01-01 --store ./data`
    """
    loaded = configured(config, store)
    folder = store_of(loaded)
    configure_logging(msgspec.structs.replace(loaded.log, file=None))
    plan = Plan(
        instruments=named(instruments), channels=series.channels(), trades=series.trades, from_ns=instant(from_),
        to_ns=instant_or_none(to), rest_url=rest_url, config=loaded,
    )  # fmt: skip
    if not (plan.channels or plan.trades):
        raise ConfigError("say what to fetch: --bars 1m (and others), --trades, --aggtrades")
    venues = {split_id(text)[0] for text in instruments}
    if rest_url is not None and len(venues) > 1:
        raise ConfigError(f"--rest-url is one venue's address, and these are of {', '.join(sorted(venues))}")
    done, stopped = run_until_signalled(lambda stop: _filled(folder, plan, stop))
    sys.stdout.writelines(line + "\n" for line in summary(done))
    if stopped:
        sys.stderr.write("stopped: call it again to go on\n")
    sys.exit(1 if done.incomplete else 0)


async def _filled(folder: Path, plan: Plan, stop: asyncio.Event) -> tuple[Backfill, bool]:
    """What came of it, and whether it was stopped on the way."""
    done = await fill(folder, plan, stop=stop, watch=watcher(sys.stderr))
    return done, stop.is_set()
