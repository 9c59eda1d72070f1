"""All that a venue has to say about orders and accounts: calls, signatures, private streams, and its own side. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from tapeline.model.account import AccountEvent
from tapeline.model.event import Quote, Ticker
from tapeline.model.instrument import Instrument
from tapeline.model.order import Intent
from tapeline.model.secret import Credentials
from tapeline.venues.request import Request

# ---- asking -----------------------------------------------------------------------------------------------------


class Leg(msgspec.Struct, frozen=True):
    """One order of an order list."""

    client_id: str
    intent: Intent


class OrderAsk(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted of an order call. Fields that a call has no use for stay as they are.

    `call` is a key of `Orders.calls`: place | amend | cancel | cancel_all | order | open_orders | fills | balances |
    positions | payments | mode | dead_man | leverage | listen_key | listen_key_alive | listen_key_close, and where a
    venue has them closed_orders | position_mode | place_list. A server hears cancel_list | list | open_lists |
    closed_lists too, of which `client_id` and `venue_id` name the list.
    """

    call: str
    account: str = ""
    instrument: Instrument | None = None  # None where a call is for all of the account
    client_id: str = ""
    venue_id: str = ""
    intent: Intent | None = None  # of place; of cancel: what was placed; of amend: the same, its size and price as now
    size: Decimal | None = None  # of amend: the new total, filled part included
    price: Decimal | None = None  # of amend
    from_id: str = ""  # of fills and payments: after this one
    from_ns: int | None = None
    to_ns: int | None = None
    limit: int | None = None
    countdown_s: int | None = None  # of dead_man: 0 disarms
    leverage: Decimal | None = None
    listen_key: str = ""
    part: str = ""  # where one list takes several requests: which
    page: str = ""  # where one list takes several pages: which, as `OrderCall.next` says
    venue_ids: tuple[str, ...] = ()  # of cancel_all, where the venue wants them named: at most `OrderCall.page`
    hedge: bool | None = None  # of position_mode
    legs: tuple[Leg, ...] = ()  # of place_list: a limit or a take-profit, and a stop; `client_id` is the list's own


class ListenKey(msgspec.Struct, frozen=True):
    """The key of a private stream, to put into its URL."""

    key: str


OrderAnswer = AccountEvent | ListenKey


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCall:
    """One call, both ways pure. `build` gives the request unsigned; `sign` of `Orders` does the rest where `signed`.

    `build` raises OrderRefused for what the venue has no words for: nothing was sent.

    parse(body, ask, ids, received_ns): ids maps native symbols to instrument ids. Raises OrderRefused or
    AuthenticationRefused for a definite no, OutcomeUnknown where the venue itself does not know, RateLimited and
    ClockWrong where it did nothing, Retry where asking again is safe, BadData on a body that means nothing.

    A list longer than a page goes on with `next(ask, body)`, None where this was the last of it.
    """

    build: Callable[[OrderAsk], Request]
    parse: Callable[[bytes, OrderAsk, Mapping[str, str], int], Sequence[OrderAnswer]]
    signed: str = "signed"  # signed | key (the key in a header, no signature) | open
    parts: tuple[str, ...] = ("",)  # an ask for each of these makes the whole list
    per_instrument: bool = False  # the venue answers for one instrument at a time
    page: int = 1  # most rows one answer holds
    window_s: float = float("inf")  # longest span of time one request may name
    keeps_s: float = float("inf")  # how far back the venue's lists go
    next: Callable[[OrderAsk, bytes], OrderAsk | None] = field(default=lambda _ask, _body: None)


# ---- private streams --------------------------------------------------------------------------------------------


class Answered(msgspec.Struct, frozen=True):
    """The answer to a request on a private connection: its id, and the bytes `OrderCall.parse` reads.

    A login or a subscription that was accepted has an empty body; one that was not raises on reading it. An answer
    that names no request has the id "": it is of the step of `opening` that waits.
    """

    request_id: str
    body: bytes = b""
    status: int = 200


class Expired(msgspec.Struct, frozen=True):
    """The venue will send nothing more on this subscription: it has to be made anew, and what was missed asked for."""

    reason: str


HIDDEN = frozenset({"apiKey", "key", "listenKey", "passphrase", "secret", "sign", "signature"})


class Ending(msgspec.Struct, frozen=True):
    """The venue will close this connection soon; it delivers still: another one is opened first."""

    reason: str


class Beat(msgspec.Struct, frozen=True):
    """A sign of life that says nothing else."""


PrivateControl = Answered | Expired | Ending | Beat
PrivateDecode = Callable[[bytes, int], Sequence[AccountEvent | PrivateControl]]
"""(frame, received_ns) -> what it says. Raises BadData, and nothing else."""
PrivateStep = Callable[[Credentials, int, str], bytes]
"""(credentials, the venue's clock in ns, request id) -> a frame of the opening."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateStream:
    """How a private stream is opened and read.

    `opening` are the requests that open it, each sent when the one before was answered; `opening_for` more of them,
    that name the instruments (by native symbol). `url(base, listen key)`: where it is dialled. A stream with
    `listen_key` needs the key kept alive every `alive_s`, by the calls of `Orders`. After `life_s` the
    venue cuts the connection soon.
    """

    endpoint: str  # key of Venue.urls
    decoder: Callable[[str, str, Mapping[str, Instrument]], PrivateDecode]  # (venue, account, instruments by native)
    opening: tuple[PrivateStep, ...] = ()
    opening_for: Callable[[Mapping[str, Instrument]], tuple[PrivateStep, ...]] = field(default=lambda _instruments: ())
    url: Callable[[str, str], str] = field(default=lambda base, _key: base)
    listen_key: bool = False
    alive_s: float = 1800.0
    life_s: float = float("inf")
    ping: bytes | None = None  # an application-level ping; None: transport pings will do
    ping_every_s: float = 20.0
    silence_s: float = 60.0
    tells: frozenset[str] = frozenset({"orders", "fills", "balances"})  # channels it brings


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEntry:
    """Orders over a WebSocket, where the venue has it. `calls` are those of `Orders.calls` that go this way.

    Without `private` the connection is its own, opened by `opening` as a private stream is. What `takes` says no to
    goes by REST, whatever `calls` says.
    """

    endpoint: str
    calls: frozenset[str]
    frame: Callable[[OrderAsk, str, Credentials, int], bytes]  # ask, request id, credentials, venue ns
    decoder: PrivateDecode  # gives Answered
    opening: tuple[Callable[[Credentials, int, str], bytes], ...] = ()
    ping: bytes | None = None
    life_s: float = float("inf")
    takes: Callable[[OrderAsk], bool] = field(default=lambda _ask: True)


# ---- the venue's own side, for the paper exchange ---------------------------------------------------------------


class OrderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request as a server hears it. `path` without the query; header names in lower case."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = {}
    body: bytes = b""


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """What a private connection asks for: log in as `key`, subscribe to channels, or both at once.

    `answers` are sent where it is granted. `login`: it proves to be the account of `key`; `subscribe`: private
    channels ("orders", "fills", "balances", "positions") that begin now; `off`: they end. One that is neither has been
    refused already, and `answers` say so. `refused` is sent instead where nobody has logged in.
    """

    key: str = ""
    login: bool = False
    subscribe: tuple[str, ...] = ()
    off: bool = False
    answers: tuple[bytes, ...] = ()
    refused: bytes = b""


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """An order call that came over a WebSocket: what is asked, by which key, and the id its answer carries."""

    ask: OrderAsk
    request_id: str
    key: str = ""  # "" where the connection has logged in


class Summary(msgspec.Struct, frozen=True):
    """What a venue's ticker calls say of one instrument: its last 24 hours, and the top of its book."""

    ticker: Ticker
    quote: Quote


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderServer:
    """The inverse of the above. `secret_of(key)` gives the credentials of a key, None for one that nobody has.

    verify(request, secret_of, now_ns) -> key; raises AuthenticationRefused, ClockWrong. read(request, instruments by
    native) -> what is asked, None where the path is none of the account's. answer(ask, events, now_ns) -> body; events
    are all there is of a list, what the ask's page and limit leave out it leaves out itself. refuse(error) -> (HTTP
    status, body).
    hear(frame, secret_of, by native, now_ns) reads a frame of a private connection, None where it is of the public
    kind; told(request id, ask, events or error, now_ns) answers an order call that came that way. encode(events,
    instruments by id) -> frames of the private stream. listen_key_of(path, query): the key in a stream's URL.
    fixed(request, instruments, now_ns): the body of a call that clients make at start, the same for everybody; None
    where it is no such call. `events` of place, amend and cancel are the order's fills and, last, its state; of lists
    what they list; of leverage and dead_man none. encode gets them in the order they happened: a `Fill` right before
    the `OrderUpdate` that counts it. `greets`: channels whose state is told to who subscribes. channel_of(frame of
    encode): the channel whose subscribers it is for, where that says more than what it tells of; "" for all of them.
    tickers(request, instruments by native, summary of one, now_ns): the body of a ticker call, None where it is none.
    """

    verify: Callable[[OrderRequest, Callable[[str], Credentials | None], int], str]
    read: Callable[[OrderRequest, Mapping[str, Instrument]], OrderAsk | None]
    answer: Callable[[OrderAsk, Sequence[OrderAnswer], int], bytes]
    refuse: Callable[[Exception], tuple[int, bytes]]
    hear: Callable[[bytes, Callable[[str], Credentials | None], Mapping[str, Instrument], int], Opening | Placed | None]
    told: Callable[[str, OrderAsk, Sequence[OrderAnswer] | Exception, int], bytes]
    encode: Callable[[Sequence[AccountEvent], Mapping[str, Instrument]], Sequence[bytes]]  # instruments by id
    greets: frozenset[str] = frozenset()
    channel_of: Callable[[bytes], str] = field(default=lambda _frame: "")
    listen_key_of: Callable[[str, str], str] = field(default=lambda _path, _query: "")
    fixed: Callable[[OrderRequest, Sequence[Instrument], int], bytes | None] = field(
        default=lambda _request, _instruments, _now_ns: None
    )
    tickers: Callable[[OrderRequest, Mapping[str, Instrument], Callable[[Instrument], Summary], int], bytes | None] = (
        field(default=lambda _request, _instruments, _summary, _now_ns: None)
    )


# ---- the declaration --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """The trading half of a venue.

    `sign(request, credentials, venue_ns)` gives the request as it is sent. `client_id` is a regular expression of the
    ids it takes. `kinds`: order kinds and times in force it has natively, what is left is emulated or refused.
    "Not found" is definite only `lag_s` after the order was sent, and when it was said `lag_times`.
    """

    sign: Callable[[Request, Credentials, int], Request]
    with_key: Callable[[Request, Credentials], Request]
    calls: Mapping[str, OrderCall]
    private: PrivateStream
    entry: OrderEntry | None = None
    server: OrderServer | None = None
    client_id: str = r"[A-Za-z0-9]{1,32}"
    kinds: frozenset[str] = frozenset({"market", "limit"})
    times_in_force: frozenset[str] = frozenset({"gtc", "ioc", "fok"})
    amends: frozenset[str] = frozenset()  # size | price | smaller (a smaller size only)
    lag_s: float = 10.0
    lag_times: int = 3
    dead_man: str = ""  # "" none | instrument (one timer each) | account
    cancel_all: str = "instrument"  # of the venue's own cancel-all: instrument | account | "" none
    derivatives: bool = False  # positions and margin
    testnet: Mapping[str, str] = field(default_factory=dict)  # urls that replace `Venue.urls` there
    testnet_headers: tuple[tuple[str, str], ...] = ()  # that every REST request carries there
    testnet_entry: bool = True  # whether `entry` is of use there
    more: tuple[PrivateStream, ...] = ()  # private streams of other endpoints that complete `private`
    hidden: frozenset[str] = HIDDEN  # names of members and parameters whose values go into no recording
