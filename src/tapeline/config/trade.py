"""Settings of `tapeline trade` and `tapeline backtest`: `[trade]` and one `[[strategy]]` for each that runs."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Any, Literal

from msgspec import Meta

from tapeline.config.kinds import HoursBetween, Seconds, Settings, Text

Fraction = Annotated[Decimal, Meta(extra={"unit": "fraction of the value"})]
Hours = Annotated[float, Meta(ge=1, le=100_000, extra={"unit": "hours"})]
Milliseconds = Annotated[float, Meta(ge=0, le=60_000, extra={"unit": "milliseconds"})]


class StrategyConfig(Settings, frozen=True, kw_only=True):
    """A strategy: one `[[strategy]]` table for each. The same code may run several times under several names."""

    run: Annotated[Text, Meta(description="What to run: `module:Class`, `module:function` or `path/to/file.py:Class`.")]
    name: Annotated[
        Text | None, Meta(description="Its name in orders, reports and the journal. Left out: its own.")
    ] = None
    account: Annotated[
        Text | None,
        Meta(description="The account it trades with. Left out: the only account of each instrument's venue."),
    ] = None
    instruments: Annotated[
        tuple[Text, ...] | None, Meta(description="What it watches, as `venue:symbol`. Left out: what its code says.")
    ] = None
    channels: Annotated[
        tuple[Text, ...] | None, Meta(description="What it hears of each instrument. Left out: what its code says.")
    ] = None
    settings: Annotated[
        Mapping[str, Any],
        Meta(description="Its own settings: `settings = {fast = 10, slow = 30}`; each must be one that it has."),
    ] = MappingProxyType({})


class TradeConfig(Settings, frozen=True, kw_only=True):
    """How strategies trade, on paper and live."""

    currency: Annotated[Text, Meta(description="What accounts are valued in.")] = "USDT"
    accounting: Annotated[
        Literal["average", "fifo"],
        Meta(description="What a closed part of a position had cost: the average, or what was bought first."),
    ] = "average"
    at_stop: Annotated[
        Literal["cancel", "keep"], Meta(description="What becomes of open orders at an orderly stop.")
    ] = "cancel"
    stop_within_s: Annotated[
        Seconds, Meta(description="How long an orderly stop waits until it is certain that orders are cancelled.")
    ] = 30.0
    ready_s: Annotated[
        Seconds,
        Meta(
            description="How long a live run waits at its start until every account was compared with its venue; past "
            "that it begins, and nothing is opened before it was."
        ),
    ] = 60.0
    reconcile_s: Annotated[
        Seconds, Meta(description="How often a live account is compared with its venue, besides after every surprise.")
    ] = 300.0
    snapshot_every: Annotated[
        int,
        Meta(
            ge=0,
            description="After how many records of the journal a snapshot of its state is written, so that a start "
            "plays back no more than these; 0 for none. The journal itself stays whole.",
        ),
    ] = 100_000
    keep_h: Annotated[
        Hours,
        Meta(
            description="How long a run remembers orders that are over, and fills and payments by their ids, counted "
            "back from when an account last agreed with its venue. What is older is known to be counted, and stands in "
            "the journal."
        ),
    ] = 24.0
    instruments_h: Annotated[
        HoursBetween,
        Meta(
            description="How often the instrument list of each venue that is traded on is read again, so that a tick, "
            "a lot or a status that the venue changes holds without a restart; 0 for never.",
        ),
    ] = 1.0
    balances: Annotated[
        Mapping[str, Decimal],
        Meta(description="What a paper account holds at the start: `balances = {USDT = 100000}`."),
    ] = MappingProxyType({"USDT": Decimal(100_000)})
    maker_fee: Annotated[Fraction, Meta(description="Fee of a paper fill that rested.")] = Decimal("0.001")
    taker_fee: Annotated[Fraction, Meta(description="Fee of a paper fill that took.")] = Decimal("0.001")
    slippage: Annotated[
        Fraction,
        Meta(
            description="How much worse than the last price a paper order that takes is filled, where neither a book "
            "nor quotes are known."
        ),
    ] = Decimal(0)
    send_ms: Annotated[Milliseconds, Meta(description="How long a paper order takes to the venue.")] = 5.0
    answer_ms: Annotated[Milliseconds, Meta(description="How long the venue's answer takes back.")] = 5.0


def trade_faults(strategies: tuple[StrategyConfig, ...]) -> Iterator[str]:
    """What no single setting can tell."""
    for at, each in enumerate(strategies):
        if ":" not in each.run:
            yield f"strategy[{at}].run: {each.run!r} names no class: write module:Class or file.py:Class"
