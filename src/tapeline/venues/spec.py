"""All that a venue has to say about itself. A venue is a value in one file, never a subclass. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum

import msgspec

from tapeline.errors import ConfigError
from tapeline.model.channel import Channel
from tapeline.model.event import Bar, BookDelta, Event, Trade
from tapeline.model.instrument import Instrument
from tapeline.model.topic import Topic
from tapeline.model.verdict import Verdict
from tapeline.venues.orders import Orders
from tapeline.venues.request import Request as Request  # noqa: PLC0414  # part of what a venue says: others take it from here

# ---- what a decoder says besides events -------------------------------------------------------------------------


class Ack(msgspec.Struct, frozen=True):
    """The venue confirmed a request: all its topics, or only `topic` where the venue confirms one by one."""

    request_id: int | None = None
    topic: Topic | None = None


class Refusal(msgspec.Struct, frozen=True):
    """The venue refused a request, or one topic of it. `code` and `text` are the venue's own."""

    code: str
    text: str
    request_id: int | None = None
    topic: Topic | None = None
    fatal: bool = False  # the connection is of no use any more


class Pong(msgspec.Struct, frozen=True):
    """The venue answered our application-level ping."""


class Closing(msgspec.Struct, frozen=True):
    """The venue will close this connection soon: open another one first."""

    reason: str


class Problem(msgspec.Struct, frozen=True):
    """Part of a frame that could not be read, while the rest could. Same kinds as BadData."""

    kind: str
    text: str


Control = Ack | Refusal | Pong | Closing | Problem
Decode = Callable[[bytes, int], Sequence[Event | Control]]
"""(frame, received_ns) -> events and control. Never reads a clock. Raises BadData, and nothing else, on a frame that
means nothing; a good frame that concerns nobody (an empty keep-alive) gives ()."""


# ---- requests on a connection -----------------------------------------------------------------------------------


class Subscribe(msgspec.Struct, frozen=True):
    """Ask for topics (`on`), or give them back. The venue's `requests` turns it into frames."""

    topics: tuple[Topic, ...]
    request_id: int
    on: bool = True


class Ping(msgspec.Struct, frozen=True):
    """An application-level ping, as the simulator reads it."""


class Other(msgspec.Struct, frozen=True):
    """A request that the simulator answers with these frames at once (a list of subscriptions, a property)."""

    answers: tuple[bytes, ...]


# ---- declarations -----------------------------------------------------------------------------------------------

Judge = Callable[[int | None, BookDelta], Verdict]
"""(sequence the state is at, delta) -> what to do with it. None: no state yet, the first delta starts it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirk:
    """Why the venue's own bar, asked for by REST, may rightly differ from ours, and how.

    `kind` "rounds": the venue rounds each trade's part of `fields` to `step`, so that sums are up to a step a trade
    apart; "more": it counts what no stream brings, and has more of them; "reopens": a closed bar may still change for
    `within_s`. `of`: bars of these origins, built by us from a channel, or "venue" for those of the stream.
    """

    kind: str
    why: str
    fields: tuple[str, ...] = ()
    of: tuple[str, ...] = ("trades", "aggtrades")
    step: Decimal | None = None
    within_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """One kind of public stream. `channel` is the channel's kind (`book` covers every depth and speed)."""

    channel: str
    wire_name: str  # the venue's own word, for messages and documents
    endpoint: str  # key of Venue.urls
    continuity: str = ""  # "seq": seq grows by one an event; "ids": first_id follows the last last_id; "": no proof
    judge: Judge | None = None  # how this book's deltas follow each other
    snapshot: str = ""  # where a book's first state comes from: "stream", "rest", "" (each message is the whole)
    quiet: bool = False  # may rightly say nothing for hours (liquidations, status): no first-data deadline
    speeds: tuple[str, ...] = ()  # of a book: documented speeds, fastest first; "" stands for the fastest
    levels: tuple[int, ...] = ()  # of a book: documented depths besides the full one
    intervals: tuple[str, ...] = ()  # of bars
    # What the stream itself proves: "ids": numbers without a hole; "count": messages that say how many ids they cover,
    # without a hole; "bars": bar follows bar; "": nothing.
    evidence: str = ""
    repair: str = ""  # key of `Venue.rest`: the call that fills a hole; "": nothing brings it back
    # Key of `Venue.rest`: no stream has it, and this call is asked every so often; `endpoint` is "rest" then.
    asked: str = ""
    quirks: tuple[Quirk, ...] = ()  # of bars: in what they may differ from ours
    kinds: tuple[str, ...] = ()  # of instruments that have it; () where all do

    def offers(self, wanted: Channel) -> bool:
        """Whether this feed has a channel of its kind: this interval of bars, this depth and speed of a book."""
        if wanted.kind == "bars":
            return wanted.interval in self.intervals
        if wanted.kind == "book":
            fast_enough = not wanted.speed or wanted.speed in self.speeds
            return fast_enough and (wanted.levels is None or wanted.levels in self.levels)
        return wanted.kind == self.channel

    def fits(self, kind: str) -> bool:
        """Whether instruments of this kind have it. One of which the kind is not known ("") may."""
        return not self.kinds or not kind or kind in self.kinds

    @property
    def menu(self) -> str:
        """What it has of its kind, in the grammar of channels: "book[:5|10][@250ms]", "bars:1m|5m"."""
        if self.channel == "bars":
            return f"bars:{'|'.join(self.intervals)}"
        levels = f"[:{'|'.join(map(str, self.levels))}]" if self.levels else ""
        speeds = [f"@{speed}" for speed in self.speeds if speed]
        return self.channel + levels + (f"[{'|'.join(speeds)}]" if speeds else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """How life shows. `ping` None: the transport's own ping frames are enough."""

    every_s: float
    silence_s: float  # nothing heard for this long, pongs included: the link is dead
    ping: bytes | None = None


class Priority(IntEnum):
    """Who goes first where REST requests wait for their budget, the lowest number first."""

    ORDERS = 0
    REPAIRS = 1
    BACKFILL = 2
    AUDIT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """So much REST weight in a window, as the venue documents it; our own margin is left to the budget.

    `fixed`: the window starts on the calendar (each full minute), else it is the last `window_s` seconds. `used` is the
    answer header, in lower case, by which the venue tells how much of it is used; "" where it has none.
    """

    name: str = "weight"
    weight: float
    window_s: float
    fixed: bool = False
    used: str = ""


SILENCE_S: Mapping[int, float] = {429: 10.0, 418: 120.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the venue allows. `messages_per_s` counts every frame we send on a connection, pongs too."""

    topics_per_connection: int
    topics_per_request: int
    messages_per_s: float
    connections_per_window: int
    window_s: float
    topics: float = float("inf")  # on all connections of an address together
    requests_per_hour: float = float("inf")  # subscribe and unsubscribe requests on one connection
    connection_life_s: float = float("inf")  # the venue closes after this; we re-dial before
    first_data_s: float = 30.0  # an active topic has said something by then
    rest: tuple[Allowance, ...] = (Allowance(weight=1200, window_s=60),)  # of REST: a Request names the one it draws on
    # HTTP status -> seconds without any request to the venue, where its answer does not say how many
    silence_s: Mapping[int, float] = field(default_factory=lambda: SILENCE_S)


class Ask(msgspec.Struct, frozen=True):
    """What is wanted of a REST call. Times are [from_ns, to_ns); ids are inclusive. Unused fields stay None."""

    call: str  # key of Venue.rest: instruments | time | depth | bars | trades | aggtrades | open_interest
    native: str = ""
    interval: str = ""
    from_ns: int | None = None
    to_ns: int | None = None
    from_id: int | None = None
    limit: int | None = None
    part: str = ""  # where one list takes several requests (OKX instType): which
    venue_ns: int | None = None  # the venue's clock when it is asked, where it is known: the client fills it in


class ServerTime(msgspec.Struct, frozen=True):
    """The venue's clock, UTC nanoseconds."""

    at_ns: int


class Unreadable(msgspec.Struct, frozen=True):
    """A row of an instrument list that means nothing, and why; `native` is "" where it does not even say its name."""

    native: str
    text: str


Answer = Event | Instrument | ServerTime | Unreadable


@dataclass(frozen=True, slots=True, kw_only=True)
class RestCall:
    """One REST call, both ways pure. `parse` gives the same events as the stream, source="rest", oldest first.

    parse(body, ask, ids, received_ns): ids maps native symbols to instrument ids. Raises BadData on a body that means
    nothing, Refused or Retry where the body is the venue's own error.

    `walk` says how its history is gone through, see `sync.walk`: "bars" in windows of open times; "ids" from an id on;
    "back" the same from the newest id down; "time" in windows of time, and from the last id where one is full; "" where
    it has no history to go through.
    """

    build: Callable[[Ask], Request]
    parse: Callable[[bytes, Ask, Mapping[str, str], int], Sequence[Answer]]
    page: int = 1  # most rows one answer holds
    parts: tuple[str, ...] = ("",)  # an Ask for each of these makes the whole list
    walk: str = ""
    # Of trades: the call that, given an end and a limit, lists the last ones before a time, or aggregates of
    # them with their ids. Holes and history are gone through by it first, see `sync.listed_walk`.
    locate: str = ""
    window_s: float = float("inf")  # longest span of time one request may name
    keeps_s: float = float("inf")  # how far back the venue's history goes
    sparse: bool = False  # of bars: an interval without a trade has none, and that is no hole


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The venue's own side, the inverse of the above: what the simulator needs to speak as the venue does."""

    read_request: Callable[[bytes], Subscribe | Ping | Other]  # raises BadData on what the venue would refuse
    acknowledge: Callable[[Subscribe], Sequence[bytes]]
    refuse: Callable[[int | None, str, str], bytes]  # request id, code, text
    pong: bytes | None  # the answer to Ping
    topic_of: Callable[[bytes], Topic | None]  # of a market frame; None for anything else, raises nothing
    rename: Callable[[bytes, Topic], bytes]  # the same market frame under another topic's name (another speed)
    encode: Callable[[Event, str], bytes]  # a market event and the native symbol -> a frame
    read_rest: Callable[[str, Mapping[str, str]], Ask | None]  # path, query -> what is asked; None: no such path
    answer_rest: Callable[[Ask, Sequence[Answer]], bytes]  # inverse of RestCall.parse
    rest_error: Callable[[int, str], bytes]  # HTTP status, text -> the venue's own error body
    url_topics: Callable[[str], tuple[Topic, ...]] = field(default=lambda _path: ())  # topics named in the URL
    closing: bytes | None = None  # the venue's notice that it will close this connection
    no_such: tuple[str, str] | None = (
        None  # code, text for a topic this endpoint has not; None: acknowledged, then mute
    )
    sample_instruments: tuple[Instrument, ...] = ()  # what a synthetic market trades


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """The files a venue publishes of days and months gone by.

    `series`: (native symbol, channel) a file's name says, None for a name of other files. `read`: a row as an event of
    (instrument, channel), None for a header; raises BadData.
    """

    series: Callable[[str], tuple[str, str] | None]
    read: Callable[[Sequence[str], str, str], Trade | Bar | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Venue:
    """A venue as a value; a variant is `replace(venue, name=..., urls=...)`."""

    name: str
    urls: Mapping[str, str]  # endpoint -> wss:// URL, and "rest" -> https:// URL
    feeds: Mapping[str, Feed]  # by channel kind
    heartbeat: Heartbeat
    limits: Limits
    decoder: Callable[[str, Mapping[str, Instrument]], Decode]  # (venue name, by native symbol), one a connection
    requests: Callable[[Subscribe], Sequence[bytes]]  # usually one frame; none where nothing is left to say
    rest: Mapping[str, RestCall]
    server: Server | None = None
    archive: Archive | None = None
    orders: Orders | None = None  # the trading half

    def feed_of(self, wanted: Channel, kind: str = "") -> Feed:
        """The feed of a channel of wire, of an instrument of this kind. Raises ConfigError where there is none."""
        feed = self.feeds.get(wanted.kind)
        if feed is None or not feed.offers(wanted):
            menu = ", ".join(sorted(self.feeds)) if feed is None else feed.menu
            raise ConfigError(f"{self.name} has no channel {str(wanted)!r}; it has {menu}")
        if not feed.fits(kind):
            raise ConfigError(f"{self.name}: {wanted} is for {', '.join(feed.kinds)} instruments, not for {kind} ones")
        return feed
