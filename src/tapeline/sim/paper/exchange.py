"""A paper exchange in a venue's own protocol: keys, orders by REST and WebSocket, private streams, order limits.

It knows the venue by its `OrderServer` alone. What an order call does is done at once, and told on the private streams
before the call is answered; faults of orders bend both.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial

from msgspec.structs import replace

from tapeline.errors import AuthenticationRefused, ConfigError, OrderRefused, RateLimited, TapelineError
from tapeline.model.account import AccountEvent
from tapeline.model.event import Event
from tapeline.model.instrument import Instrument
from tapeline.model.interval import SECOND_NS
from tapeline.model.secret import Credentials
from tapeline.sim.client import Client
from tapeline.sim.faults import ORDER, Fault
from tapeline.sim.limits import Meter
from tapeline.sim.paper.desk import CHANGES, Desk
from tapeline.sim.paper.feed import PaperFeed, listed
from tapeline.sim.paper.keys import Key, accounts_of, amounts
from tapeline.sim.paper.streams import Streams
from tapeline.sim.paper.tickers import NOTHING, asked, summary
from tapeline.sim.playback import Player
from tapeline.sim.source import Source
from tapeline.trading.paper.admission import Rules
from tapeline.trading.paper.exchange import Exchange
from tapeline.trading.paper.fees import Fees
from tapeline.trading.paper.outcome import Matching
from tapeline.venues.orders import Opening, OrderAnswer, OrderAsk, OrderRequest, OrderServer, Placed, Summary
from tapeline.venues.request import Request
from tapeline.venues.spec import Venue
from tapeline.wire.pipe import Response

JSON = {"content-type": "application/json"}
MOST_NAMED = 5  # instruments of a ticker call that are followed for it
FORGET_EVERY_NS = 3600 * SECOND_NS
STILL_S = 0.25  # how soon a timer is looked at again while the tape's clock stands still


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperSettings:
    """Who has accounts, with what, under which rules. `balances` hold for keys that name none."""

    keys: Sequence[Key]
    balances: dict[str, Decimal] = field(default_factory=dict)
    fees: Fees | None = None
    rules: Rules | None = None
    matching: Matching | None = None
    keep_ns: int | None = None  # how long orders that are over are kept, and fills and payments; None: for ever


@dataclass(frozen=True, slots=True)
class Silence:
    """No answer: the connection is held, or dropped at once."""

    held: bool


Answered = Response | Silence


class Paper:
    """The account half of a simulated venue."""

    def __init__(self, venue: Venue, source: Source, player: Player, settings: PaperSettings) -> None:
        if venue.orders is None or venue.orders.server is None:
            raise ConfigError(f"venue {venue.name!r} takes no orders here yet: it has no paper exchange")
        self._venue, self._source, self._live = venue, source, source.live
        self._orders = venue.orders
        self._server: OrderServer = venue.orders.server
        self._player = player
        instruments = listed(venue, source)
        self._by_native = {one.native: one for one in instruments}
        self._by_id = {one.id: one for one in instruments}
        self._keys = {key.key: key for key in settings.keys}
        self._credentials = {key.key: key.credentials() for key in settings.keys}
        self.exchange = Exchange(
            self._by_id, fees=settings.fees, rules=settings.rules, matching=settings.matching
        )  # fmt: skip
        for name, key in accounts_of(settings.keys).items():
            self.exchange.open_account(name, amounts(key, settings.balances), hedge=key.hedge)
        self._feed = PaperFeed(venue, source, self._by_native, self._market)
        alive_s = self._orders.private.alive_s
        self._streams = Streams(self._server, self._by_id, int(2 * alive_s * SECOND_NS))
        self._desk = Desk(self.exchange, self._streams)
        self._allowed = [each for each in venue.limits.rest if each.name == "orders"]
        self._meters: dict[str, Meter] = {}  # of orders, by account
        self._weight: Mapping[str, Meter] = {}
        self.witness: Callable[[Sequence[AccountEvent]], None] | None = None  # hears all that happens to any account
        self._keep_ns, self._forget_ns = settings.keep_ns, 0
        self._begun = False
        self._timed = asyncio.Event()

    # ---- life

    def share(self, weight: Mapping[str, Meter]) -> None:
        """Calls about accounts draw on the same weight as all others."""
        self._weight = weight

    def begin(self) -> None:
        """Somebody has come: the market is followed from now on."""
        if not self._begun and self._live is None:  # a live market is followed where it is traded, see `_traded`
            self._begun = True
            self._feed.begin(self._player.now_ns())
            self._player.follow(self._feed.topics, self._feed.take)

    async def keep_time(self) -> None:
        """Do what is due though the market is quiet, for ever."""
        while True:
            self._timed.clear()
            next_ns = self.exchange.next_ns()
            wait_s = None
            if next_ns is not None:
                wait_s = max(self._player.seconds(next_ns - self._player.now_ns()), STILL_S)
            try:
                async with asyncio.timeout(wait_s):
                    await self._timed.wait()
            except TimeoutError:
                self._tell(self.exchange.advance(self._player.now_ns()))

    def end_listen_keys(self, account: str, *, silently: bool) -> None:
        """Every listen key of an account is over: its connections are closed, or hear nothing any more."""
        self._streams.end_keys(account, silently=silently)

    def by_hand(self, act: Callable[[Exchange, int], Sequence[AccountEvent]]) -> None:
        """Something happens to accounts without a call of theirs: a person, the market, the venue itself.

        What comes of it is told as all else is. Raises OrderRefused where the exchange does.
        """
        self.begin()
        now_ns = self._player.now_ns()
        self._tell(self.exchange.advance(now_ns))
        self._tell(act(self.exchange, now_ns))
        self._timed.set()

    def permit(self, account: str, *, may_trade: bool) -> None:
        """Give every key of an account the right to trade, or take it away."""
        for name, key in self._keys.items():
            if key.name == account:
                self._keys[name] = replace(key, may_trade=may_trade)

    # ---- REST

    async def answer(self, request: OrderRequest, peer: str) -> Answered | None:
        """The answer to a request; None where it is none of the account's."""
        now_ns = self._player.now_ns()
        body = self._server.fixed(request, list(self._by_id.values()), now_ns)
        if body is not None:
            return Response(200, JSON, body)
        await self._named(request, now_ns)
        body = self._server.tickers(request, self._by_native, partial(self._summary, now_ns), now_ns)
        if body is not None:
            return Response(200, JSON, body)
        try:
            ask = self._server.read(request, self._by_native)
            if ask is None:
                return None
            self.begin()
            key = self._keys[self._server.verify(request, self._secret_of, now_ns)]
            self._check(key, ask, peer)
            await self._traded(ask)
        except TapelineError as error:
            return self._refusal(error)
        fault = self._player.fault(ORDER) if ask.call in CHANGES else None
        if fault is not None and fault.kind == "order_502":
            return Response(502, JSON, b"")
        answered: Answered
        try:
            _stopped(fault)
            answered = Response(200, JSON, self._server.answer(ask, self._perform(key, ask), self._player.now_ns()))
        except TapelineError as error:
            answered = self._refusal(error)
        return answered if fault is None or fault.kind == "order_429" else await self._bent(fault, answered)

    async def _named(self, request: OrderRequest, now_ns: int) -> None:
        """Of a live market: know what a ticker call names, where it does not name many."""
        if self._live is None:
            return
        named: dict[str, Instrument] = {}

        def name(instrument: Instrument) -> Summary:
            named[instrument.id] = instrument
            return NOTHING

        self._server.tickers(request, self._by_native, name, now_ns)
        for instrument in named.values() if len(named) <= MOST_NAMED else ():
            await self._live.follow(instrument, self._now)
            with suppress(TapelineError):  # then the last price is all there is
                await self._live.prepare(asked(instrument, now_ns))

    async def _traded(self, ask: OrderAsk) -> None:
        """A live market is followed from the first order on."""
        if self._live is not None and ask.call in {"place", "place_list", "amend"} and ask.instrument is not None:
            await self._live.follow(ask.instrument, self._now)

    def _now(self, event: Event) -> None:
        self._market(event, self._player.now_ns())

    def _summary(self, now_ns: int, instrument: Instrument) -> Summary:
        """What a ticker call says of it; the market is followed from now on."""
        self.begin()
        return summary(self._venue, self._source, self.exchange.matcher(instrument.id), now_ns)

    async def _bent(self, fault: Fault, answered: Answered) -> Answered:
        """What becomes of the answer to an order call that was carried out."""
        match fault.kind:
            case "order_timeout":
                return Silence(held=True)
            case "order_lost":
                return Silence(held=False)
            case "order_503":
                return Response(503, JSON, b"")
            case _:
                await asyncio.sleep(fault.number())
                return answered

    def _refusal(self, error: Exception) -> Response:
        status, body = self._server.refuse(error)
        after_s = getattr(error, "after_s", None)
        return Response(status, JSON if after_s is None else {**JSON, "retry-after": f"{after_s:g}"}, body)

    # ---- connections

    def connected(self, client: Client, path: str) -> None:
        """A connection whose URL may name a private stream. Raises AuthenticationRefused for a key nobody has."""
        path, _, query = path.partition("?")
        listen_key = self._server.listen_key_of(path, query)
        if listen_key:
            self.begin()
            self._streams.open_by(client, listen_key, self._player.now_ns())

    def left(self, client: Client) -> None:
        """It is gone."""
        self._streams.forget(client)

    async def prepare(self, client: Client, frame: bytes) -> None:
        """Of a live market: wait for what an order needs, before `hear`."""
        if self._live is None:
            return
        try:
            heard = self._server.hear(frame, self._secret_of, self._by_native, self._player.now_ns())
            if isinstance(heard, Placed):
                self._key_of(client, heard)
                await self._traded(heard.ask)
        except TapelineError:
            return  # `hear` says what is wrong with it

    def hear(self, client: Client, frame: bytes) -> Sequence[bytes] | None:
        """What is answered to a frame; None where it is of the public kind."""
        now_ns = self._player.now_ns()
        try:
            heard = self._server.hear(frame, self._secret_of, self._by_native, now_ns)
            if heard is None:
                return None
            self.begin()
            if isinstance(heard, Placed):
                return self._placed(client, heard)
            return self._opened(client, heard)
        except TapelineError as error:
            return [self._server.refuse(error)[1]]

    def _opened(self, client: Client, opening: Opening) -> Sequence[bytes]:
        """A login, a subscription or its end; or what the venue's half has refused already."""
        account = self._keys[opening.key].name if opening.key else ""
        if opening.refused and not account and not self._streams.account_of(client):
            return [opening.refused]
        if account or opening.subscribe or opening.off:
            self._streams.opened(client, opening, account)
        if opening.off or not opening.subscribe:
            return opening.answers
        return [*opening.answers, *self._streams.greeting(client, opening.subscribe, self._desk.state)]

    def _placed(self, client: Client, heard: Placed) -> Sequence[bytes]:
        """An order call over a WebSocket."""
        ask = heard.ask
        fault = self._player.fault(ORDER) if ask.call in CHANGES else None
        told: Sequence[OrderAnswer] | Exception
        try:
            key = self._key_of(client, heard)
            self._check(key, ask, "")
            _stopped(fault)
            told = self._perform(key, ask)
        except TapelineError as error:
            told = error
        if fault is not None and fault.kind in {"order_timeout", "order_lost", "order_502", "order_503"}:
            if fault.kind == "order_lost":
                client.line.cut()
            return ()
        return [self._server.told(heard.request_id, ask, told, self._player.now_ns())]

    def _key_of(self, client: Client, heard: Placed) -> Key:
        """Whose call it is: by its own signature, or by the connection's login."""
        if heard.key:
            return self._keys[heard.key]
        account = self._streams.account_of(client)
        found = next((key for key in self._keys.values() if key.name == account), None)
        if found is None:
            raise AuthenticationRefused("log in first")
        return found

    # ---- both

    def _secret_of(self, key: str) -> Credentials | None:
        return self._credentials.get(key)

    def _check(self, key: Key, ask: OrderAsk, peer: str) -> None:
        """What the key may do, from where, and how often. Raises OrderRefused, RateLimited."""
        if peer and key.addresses and peer not in key.addresses:
            raise OrderRefused(f"this key may not be used from {peer}", reason="address")
        if ask.call in CHANGES and not key.may_trade:
            raise OrderRefused("this key may not trade", reason="permission")
        request = _cost(self._orders.calls[ask.call].build, ask) if ask.call in self._orders.calls else None
        if request is None:
            return
        now = self._player.pace.now()
        meter = self._weight.get(request.budget)  # of the address, shared with the public half
        for allowed in self._allowed:
            if request.budget == allowed.name:
                made = Meter(allowed.weight, allowed.window_s, fixed=allowed.fixed)
                meter = self._meters.setdefault(key.name, made)
        if meter is not None and not meter.hit(now, request.weight):
            raise RateLimited(f"too much of {request.budget} is used", after_s=max(1.0, round(meter.wait_s(now))))

    def _perform(self, key: Key, ask: OrderAsk) -> Sequence[OrderAnswer]:
        now_ns = self._player.now_ns()
        self._tell(self.exchange.advance(now_ns))
        self._forget(now_ns)
        done = self._desk.perform(key.name, ask, now_ns)
        self._tell(done.told)
        self._timed.set()
        return done.answers

    def _forget(self, now_ns: int) -> None:
        """Now and then, of all accounts: they grow by calls, so calls are when it is looked."""
        if self._keep_ns is not None and now_ns >= self._forget_ns:
            self._forget_ns = now_ns + FORGET_EVERY_NS
            for name in {key.name for key in self._keys.values()}:
                self.exchange.forget(name, now_ns - self._keep_ns)

    def _market(self, event: Event, now_ns: int) -> None:
        self._tell(self.exchange.market(event, now_ns))

    def _tell(self, events: Sequence[AccountEvent]) -> None:
        if events:
            if self.witness is not None:
                self.witness(events)
            self._streams.tell(events, self._player.fault, self._player.now_ns())


def _stopped(fault: Fault | None) -> None:
    """Raises RateLimited where a fault says that the account has placed too many orders."""
    if fault is not None and fault.kind == "order_429":
        raise RateLimited("too many orders", after_s=max(1.0, fault.number()))


def _cost(build: Callable[[OrderAsk], Request], ask: OrderAsk) -> Request | None:
    """What a call costs; None where the venue's own half has no words for it."""
    try:
        return build(ask)
    except (TapelineError, AssertionError):
        return None
