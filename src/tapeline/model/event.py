"""Every public market event. Field names are JSON, SQL columns and public API at once.

The first five fields are the same in all: `instrument` (`venue:symbol`; None for links and venue-wide notices),
`channel`, `at_ns` (the venue's stamp in UTC nanoseconds; None where it gives none, never invented), `received_ns`
(ours, when the frame left the socket) and `source` (ws | rest | built | file). Numbers are exact `Decimal`s; sizes are
in the venue's own unit (see `Instrument`). Book levels keep the venue's own text, since most are never read: a `Book`
or `levels()` turns them to numbers.
"""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

Level = tuple[str, str]  # price, size: the venue's own text; a size of zero deletes the level


class _Event(msgspec.Struct, frozen=True, gc=False, tag_field="type"):
    instrument: str | None
    channel: str
    at_ns: int | None
    received_ns: int
    source: str


class _MarketEvent(_Event, frozen=True, gc=False, tag_field="type"):
    instrument: str


class Trade(_MarketEvent, frozen=True, gc=False, tag="trade"):
    """One trade, or one aggregate of trades (`first_id`..`last_id`). `seq` is what continuity is judged by.

    `side` is the taker's: buy | sell | "" where the venue does not say.
    """

    id: str
    seq: int | None
    side: str
    price: Decimal
    size: Decimal
    first_id: int | None = None
    last_id: int | None = None


class Quote(_MarketEvent, frozen=True, gc=False, tag="quote"):
    """Best bid and offer; a side that is empty is None."""

    bid: Decimal | None
    bid_size: Decimal | None
    ask: Decimal | None
    ask_size: Decimal | None
    update_id: int | None = None


class Ticker(_MarketEvent, frozen=True, gc=False, tag="ticker"):
    """The venue's rolling 24 h summary."""

    last: Decimal | None
    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    volume: Decimal | None = None
    quote_volume: Decimal | None = None
    bid: Decimal | None = None
    ask: Decimal | None = None


class Bar(_MarketEvent, frozen=True, gc=False, tag="bar"):
    """One OHLCV bar of [open_at_ns, open_at_ns + interval).

    `certificate` is complete | partial | repaired on bars we built, "" on the venue's own; `revision` counts from 1
    when closed (0 while open); `origin` is venue | trades | aggtrades; `known_at_ns` is when we knew this revision.
    """

    interval: str
    open_at_ns: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal | None
    trades: int | None
    taker_buy_volume: Decimal | None
    first_id: int | None
    last_id: int | None
    closed: bool
    certificate: str = ""
    revision: int = 0
    origin: str = "venue"
    reason: str = ""
    known_at_ns: int | None = None


class BookSnapshot(_MarketEvent, frozen=True, gc=False, tag="book_snapshot"):
    """The whole book, or its top levels. `last_seq` is the venue's sequence this state is at."""

    bids: Sequence[Level]
    asks: Sequence[Level]
    first_seq: int | None = None
    last_seq: int | None = None
    prev_seq: int | None = None
    checksum: int | None = None


class BookDelta(_MarketEvent, frozen=True, gc=False, tag="book_delta"):
    """Changed levels, absolute sizes; first_seq..last_seq are the venue's updates it holds, prev_seq the one before."""

    bids: Sequence[Level]
    asks: Sequence[Level]
    first_seq: int | None = None
    last_seq: int | None = None
    prev_seq: int | None = None
    checksum: int | None = None


class Mark(_MarketEvent, frozen=True, gc=False, tag="mark"):
    """Mark price of a derivative."""

    price: Decimal


class Index(_MarketEvent, frozen=True, gc=False, tag="index"):
    """Index price under a derivative."""

    price: Decimal


class Funding(_MarketEvent, frozen=True, gc=False, tag="funding"):
    """Funding rate for the coming settlement, as a fraction per interval."""

    rate: Decimal
    interval_s: int | None
    next_at_ns: int | None


class OpenInterest(_MarketEvent, frozen=True, gc=False, tag="open_interest"):
    """Open interest in the venue's own unit."""

    size: Decimal


class Liquidation(_MarketEvent, frozen=True, gc=False, tag="liquidation"):
    """A liquidation order; `side` is the order's (a sold long is "sell"). Venues throttle these: a sample."""

    side: str
    price: Decimal
    size: Decimal


class Status(_MarketEvent, frozen=True, gc=False, tag="status"):
    """An instrument's status changed: trading | halted | preopen | cancel_only | settling | delisted."""

    status: str
    text: str = ""


class Notice(_Event, frozen=True, gc=False, tag="notice"):
    """The venue's own words: maintenance, a service upgrade, a shutdown. Also ours, where a subscriber is suspended.

    Its channel is `notice`. OKX tells of maintenance to those who ask for the channel `status`.
    """

    venue: str
    code: str
    text: str


class Link(_Event, frozen=True, gc=False, tag="link"):
    """A connection went down, came up, or changed state. One down and one up an outage; dials are counted inside.

    `change` is down | up | state; `state` is idle | dialling | subscribing | live | draining | backing_off |
    breaker_open; `final` says no more attempts will be made.
    """

    venue: str
    connection: str
    topics: tuple[str, ...]
    change: str
    state: str
    reason: str
    attempts: int = 0
    final: bool = False


class Gap(_MarketEvent, frozen=True, gc=False, tag="gap"):
    """A hole: the last good point before it, the first good one after. Recorded before what revealed it is delivered.

    `cause` is link_down | id_jump | sequence_jump | missing_bar | silence | overflow | restart | late_start | disputed;
    `open` says that nothing after the hole has been seen yet.
    """

    after_ns: int | None
    before_ns: int | None
    after_seq: int | None
    before_seq: int | None
    cause: str
    open: bool = False


class Repair(_MarketEvent, frozen=True, gc=False, tag="repair"):
    """What became of a hole [from_ns, to_ns): repaired | unrecoverable | disputed, or missing still.

    Its rows came before; `rows` is how many of them; `cause` the Gap's; `why` says it in words.
    """

    from_ns: int
    to_ns: int
    state: str
    rows: int
    cause: str
    why: str


class Dispute(_MarketEvent, frozen=True, gc=False, tag="dispute"):
    """An audit found two readings of [from_ns, to_ns) that are not equal; nothing was changed, and `why` has both."""

    from_ns: int
    to_ns: int
    why: str


class Alert(_Event, frozen=True, gc=False, tag="alert"):
    """Something a person should know began or ended: `state` is raised | cleared.

    `kind` is stale | fallback | gap_unrecoverable | mismatch | breaker_open | store_behind | memory_growth |
    error_rate; `subject` says of what; `value` went over `limit`, both in the unit that `text` names.
    """

    kind: str
    state: str
    subject: str
    value: float
    limit: float
    text: str


class ModeChange(_MarketEvent, frozen=True, gc=False, tag="mode_change"):
    """An instrument's data come another way from now on: `before` and `after` are websocket | polling.

    `channels` are those it is about; `mode` is what was asked for (websocket | polling | hybrid | auto); `reason` says
    why in words. Nothing is missing at a switch that no Gap names.
    """

    channels: tuple[str, ...]
    mode: str
    before: str
    after: str
    reason: str


Event = (
    Trade | Quote | Ticker | Bar | BookSnapshot | BookDelta | Mark | Index | Funding | OpenInterest | Liquidation
    | Status | Notice | Link | Gap | Repair | Dispute | Alert | ModeChange
)  # fmt: skip
EVENTS: tuple[type[msgspec.Struct], ...] = (
    Trade, Quote, Ticker, Bar, BookSnapshot, BookDelta, Mark, Index, Funding, OpenInterest, Liquidation,
    Status, Notice, Link, Gap, Repair, Dispute, Alert, ModeChange,
)  # fmt: skip


def levels(side: Sequence[Level]) -> list[tuple[Decimal, Decimal]]:
    """A snapshot's or delta's side as exact numbers."""
    return [(Decimal(price), Decimal(size)) for price, size in side]


def type_name(event: msgspec.Struct) -> str:
    """The event's `type` as JSON has it: "trade", "book_delta"."""
    tag = type(event).__struct_config__.tag
    assert isinstance(tag, str), f"{type(event)} has no tag"
    return tag
