"""What others test their venues and strategies with: the contract every venue keeps, a simulated venue, a world.

`check_venue(venue)` is plain. The fixtures come with `pytest_plugins = ["tapeline.testing"]` in a root conftest:
`simulated_venue` plays a story against an instance on a simulated venue in virtual time, `world` a whole seeded day.
"""

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tapeline.app.instance import Instance, World
from tapeline.errors import BadData
from tapeline.model.channel import Channel, channel
from tapeline.model.event import (
    Bar,
    BookDelta,
    BookSnapshot,
    Event,
    Funding,
    Index,
    Liquidation,
    Mark,
    OpenInterest,
    Quote,
    Status,
    Ticker,
    Trade,
)
from tapeline.model.instrument import Instrument
from tapeline.model.topic import Topic
from tapeline.sim.faults import fault
from tapeline.sim.loop import VirtualClock, run
from tapeline.sim.market import Market
from tapeline.sim.venue import SimulatedVenue
from tapeline.sim.world import WorldPlan, WorldReport, run_world
from tapeline.venues.spec import (
    Ack,
    Answer,
    Ask,
    Decode,
    Feed,
    Ping,
    Pong,
    Refusal,
    Server,
    ServerTime,
    Subscribe,
    Venue,
)

AT_NS = 1_723_161_255_342_000_000
RECEIVED_NS = AT_NS + 1_000_000
_D = Decimal


def check_venue(venue: Venue) -> None:
    """Hold a venue to the contract; an AssertionError says what is broken, and where."""
    _check_declarations(venue)
    _check_requests(venue)
    _check_garbage(venue)
    _check_market_frames(venue)
    _check_rest(venue)
    _check_control(venue)


@dataclass(frozen=True, slots=True)
class Scene:
    """What a story plays on: subscribe on the instance, look at what the venue saw, let virtual time pass."""

    instance: Instance
    venue: SimulatedVenue
    clock: VirtualClock


def play(
    story: Callable[[Scene], Awaitable[None]], venue: Venue, *, seed: int = 1, faults: Sequence[str] = (),
    start_ns: int = AT_NS,
) -> None:  # fmt: skip
    """Run `await story(scene)` in virtual time: `asyncio.sleep(3600)` takes no time, and the same seed plays the same.

    `faults` are those of `tapeline serve-venue --fault` ("cut@+30s+5s"). Raises what the story raises.
    """

    async def main() -> None:
        clock = VirtualClock(start_ns)
        specs = [fault(text) for text in faults]
        sim = SimulatedVenue(venue, Market(venue, seed, start_ns), clock=clock, faults=specs)
        chance = random.Random(seed).random
        async with sim.open():
            outside = World(dial=lambda _settings: sim.dial, fetch=sim.fetch, clock=clock, chance=chance)
            async with Instance(outside).running() as instance:
                await story(Scene(instance, sim, clock))

    run(main())


@pytest.fixture
def simulated_venue() -> Callable[..., None]:
    """`simulated_venue(story, venue, seed=1, faults=[...])`: see `play`."""
    return play


@pytest.fixture
def world() -> Callable[..., WorldReport]:
    """`world(venue, seed)`: a whole seeded day with faults; its report's `violations` are to be empty.

    Further words are those of `WorldPlan`: `bars="1m"` for a venue without bars of 15 minutes, `symbols=1`, ...
    """

    def live(venue: Venue, seed: int, **plan: Any) -> WorldReport:
        return run_world(WorldPlan(venue=venue, seed=seed, **plan))

    return live


def example_channels(feed: Feed) -> list[Channel]:
    """Every channel a feed offers, one by one: all speeds, depths and intervals."""
    if feed.channel == "bars":
        return [channel(f"bars:{name}") for name in feed.intervals]
    if feed.channel == "book":
        full = [Channel("book")] + [Channel("book", speed=speed) for speed in feed.speeds[1:]]
        return full + [Channel("book", levels=depth) for depth in feed.levels]
    return [Channel(feed.channel)]


def example_event(instrument: Instrument, of: Channel) -> Event:
    """A plausible event of this channel, all numbers distinct."""
    who, name = instrument.id, str(of)
    common = (who, name, AT_NS, RECEIVED_NS, "ws")
    levels = ([("100.5", "2"), ("100.4", "0.5")], [("100.6", "1"), ("100.7", "3")])
    make: dict[str, Callable[[], Event]] = {
        "trades": lambda: Trade(*common, "4711", 4711, "sell", _D("100.5"), _D("0.25"), 4711, 4711),
        "aggtrades": lambda: Trade(*common, "815", 815, "buy", _D("100.5"), _D("0.25"), 4710, 4711),
        "quotes": lambda: Quote(*common, _D("100.5"), _D("2"), _D("100.6"), _D("1"), 77),
        "ticker": lambda: Ticker(*common, _D("100.5"), _D("99"), _D("101"), _D("98"), _D("5000"), _D("500000")),
        "mark": lambda: Mark(*common, _D("100.55")),
        "index": lambda: Index(*common, _D("100.52")),
        "funding": lambda: Funding(*common, _D("0.0001"), None, AT_NS + 3_600_000_000_000),
        "open_interest": lambda: OpenInterest(*common, _D("12345")),
        "liquidations": lambda: Liquidation(*common, "sell", _D("100.1"), _D("3")),
        "status": lambda: Status(*common, "trading"),
        "bars": lambda: Bar(
            *common, of.interval, AT_NS - AT_NS % 60_000_000_000, _D("100"), _D("102"), _D("99"), _D("101"), _D("10"),
            _D("1005"), 7, _D("4"), 1, 7, closed=True, revision=1,
        ),
        "book": lambda: (
            BookSnapshot(*common, *levels, None, 200, None) if of.levels else BookDelta(*common, *levels, 199, 200, 198)
        ),
    }  # fmt: skip
    return make[of.kind]()


def example_instrument(venue: Venue) -> Instrument:
    """An instrument of the venue's own list, else a made-up spot pair."""
    samples: Sequence[Instrument] = getattr(venue.server, "sample_instruments", ()) if venue.server else ()
    if samples:
        return samples[0]
    return Instrument(venue=venue.name, symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT")


def _streamed(venue: Venue) -> list[Feed]:
    return [feed for feed in venue.feeds.values() if not feed.asked]


def _decoder(venue: Venue, instrument: Instrument) -> Decode:
    return venue.decoder(venue.name, {instrument.native: instrument})


def _server(venue: Venue) -> Server:
    assert venue.server is not None, f"{venue.name} has no server: the simulator and this contract need one"
    return venue.server


def _check_declarations(venue: Venue) -> None:
    assert len(fields(venue)) <= 12, "a Venue has at most twelve fields"
    assert venue.name == venue.name.lower(), f"{venue.name!r}: venue names are lower case"
    assert ":" not in venue.name, f"{venue.name!r}: a colon separates venue and symbol"
    assert "rest" in venue.urls, f"{venue.name} names no REST URL"
    for kind, feed in venue.feeds.items():
        assert kind == feed.channel, f"{venue.name}: feed {kind!r} says it is {feed.channel!r}"
        assert feed.endpoint in venue.urls, f"{venue.name} {kind}: endpoint {feed.endpoint!r} has no URL"
        schemes = ("https://", "http://") if feed.asked else ("wss://", "ws://")
        assert venue.urls[feed.endpoint].startswith(schemes), f"{venue.name} {kind}: its URL is not {schemes[0]}..."
        assert not feed.asked or feed.asked in venue.rest, f"{venue.name} {kind}: no REST call {feed.asked!r} to ask"
        assert example_channels(feed), f"{venue.name} {kind} offers no channel"
        if kind == "book":
            assert feed.snapshot in {"stream", "rest", ""}, f"{venue.name}: unknown snapshot source {feed.snapshot!r}"
    assert {"instruments", "time"} <= venue.rest.keys(), f"{venue.name} needs REST calls for instruments and time"
    for feed in venue.feeds.values():
        _check_evidence(venue, feed)
    _check_history(venue)
    limits = venue.limits
    assert min(limits.topics_per_connection, limits.topics_per_request, limits.connections_per_window) >= 1
    assert venue.heartbeat.silence_s > venue.heartbeat.every_s, f"{venue.name}: silence is shorter than the heartbeat"


def _check_evidence(venue: Venue, feed: Feed) -> None:
    """What a feed says it proves fits how its continuity is judged, and what repairs it has a history."""
    possible = {"trades": {"seq": {"ids", ""}, "ids": {"count", ""}}, "aggtrades": {"seq": {"ids", ""}}}
    fits = {"bars", ""} if feed.channel == "bars" else possible.get(feed.channel, {}).get(feed.continuity, {""})
    assert feed.evidence in fits, f"{venue.name} {feed.channel}: evidence {feed.evidence!r} is none of {sorted(fits)}"
    if feed.repair:
        call = venue.rest.get(feed.repair)
        assert call is not None, f"{venue.name} {feed.channel}: no REST call {feed.repair!r} to repair it"
        assert call.walk, f"{venue.name} {feed.channel}: {feed.repair!r} has no history to repair it from"


def _check_history(venue: Venue) -> None:
    """Each request draws on a budget that is declared, and each history says how it is gone through."""
    allowances = {each.name: each for each in venue.limits.rest}
    assert len(allowances) == len(venue.limits.rest), f"{venue.name}: two allowances of one name"
    for each in allowances.values():
        assert each.weight > 0, f"{venue.name}: allowance {each.name!r} allows nothing"
        assert each.window_s > 0, f"{venue.name}: allowance {each.name!r} has no window"
        assert each.used == each.used.lower(), f"{venue.name}: header {each.used!r} is not in lower case"
    for name, call in venue.rest.items():
        request = call.build(Ask(name, "X", interval="1m", part=call.parts[0]))
        assert request.budget in allowances, f"{venue.name} {name} draws on {request.budget!r}, which is no allowance"
        assert call.walk in {"", "bars", "ids", "back", "time"}, f"{venue.name} {name}: unknown walk {call.walk!r}"
        assert (call.walk == "bars") == (name == "bars"), f"{venue.name} {name}: bars, and they alone, walk by bars"
        needs = call.walk in {"ids", "back"}
        assert not needs or call.locate, f"{venue.name} {name}: a walk by id needs a call to locate ids by"
        assert not call.locate or call.locate in venue.rest, (
            f"{venue.name} {name}: no call {call.locate!r} to locate by"
        )


def _check_requests(venue: Venue) -> None:
    """What we send, the venue's own side reads back."""
    server, instrument = _server(venue), example_instrument(venue)
    for feed in _streamed(venue):
        for of in example_channels(feed):
            for on in (True, False):
                asked = Subscribe((Topic(str(of), instrument.native),), 7, on)
                frames = venue.requests(asked)
                if not on and not frames:
                    continue  # a stream that other symbols' topics come by is not given back with one of them
                assert len(frames) == 1, f"{venue.name}: one topic takes one frame, not {len(frames)}"
                read = server.read_request(frames[0])
                assert isinstance(read, Subscribe), f"{venue.name}: {frames[0]!r} is read back as {read!r}"
                assert read.on is on, f"{venue.name}: {frames[0]!r} is read back as {read!r}"
                # A stream of many symbols may be read back under its own name: asked for by that, it is the same one.
                same = asked.topics[0] in read.topics or venue.requests(read) == frames
                assert same, f"{venue.name}: {asked.topics[0]} is read back as {read.topics}"


def _check_garbage(venue: Venue) -> None:
    """Nothing that comes over the wire raises anything but BadData, and to name its topic nothing at all."""
    instrument = example_instrument(venue)
    decode = _decoder(venue, instrument)
    rng = random.Random(1)
    frames = [b"", b"{", b"[]", b"null", b"{}", b"\xff\xfe", b'"x"', b"1" * 5000, b'{"a":' * 500]
    server = _server(venue)
    for feed in _streamed(venue):
        for of in example_channels(feed)[:2]:
            whole = server.encode(example_event(instrument, of), instrument.native)
            frames += [whole[: rng.randrange(len(whole))] for _ in range(10)]
            for _ in range(20):
                broken = bytearray(whole)
                broken[rng.randrange(len(broken))] = rng.randrange(256)
                frames.append(bytes(broken))
    for frame in frames:
        try:
            server.topic_of(frame)
        except Exception as error:
            raise AssertionError(f"{venue.name}: topic_of({frame[:200]!r}) raised {error!r}, not None") from error
        try:
            decode(frame, RECEIVED_NS)
        except BadData:
            continue
        except Exception as error:
            raise AssertionError(f"{venue.name}: {frame[:200]!r} raised {error!r}, not BadData") from error


def _check_market_frames(venue: Venue) -> None:
    """decode(encode(event)) is the event, and the frame's topic is the event's."""
    server, instrument = _server(venue), example_instrument(venue)
    decode = _decoder(venue, instrument)
    for feed in _streamed(venue):
        for of in example_channels(feed):
            event = example_event(instrument, of)
            frame = server.encode(event, instrument.native)
            topic = server.topic_of(frame)
            assert topic is not None, f"{venue.name}: {frame!r} belongs to no topic"
            seen = [each for each in decode(frame, RECEIVED_NS) if getattr(each, "channel", None) == str(of)]
            assert seen, f"{venue.name} {of}: {frame!r} decodes to {decode(frame, RECEIVED_NS)!r}"
            _check_same(venue, event, seen[0])


def _check_same(venue: Venue, sent: Event, got: Any) -> None:
    """What a venue's frame can say must come back as it was; what it cannot comes back as None or ""."""
    assert type(got) is type(sent), f"{venue.name}: {sent!r} came back as {got!r}"
    for name in sent.__struct_fields__:
        ours, theirs = getattr(sent, name), getattr(got, name)
        if theirs is None or theirs == "" or name == "received_ns":
            continue
        if name in {"bids", "asks"}:
            ours, theirs = [tuple(level) for level in ours], [tuple(level) for level in theirs]
        assert ours == theirs, f"{venue.name} {sent.channel}.{name}: sent {ours!r}, came back {theirs!r}"


def _check_rest(venue: Venue) -> None:
    """answer_rest is the inverse of parse."""
    server, instrument = _server(venue), example_instrument(venue)
    ids = {instrument.native: instrument.id}
    time = ServerTime(AT_NS)
    depth, bar, trade = Channel("book", levels=5), channel("bars:1m"), Channel("trades")
    cases: list[tuple[Ask, Answer]] = [
        (Ask("time"), time),
        (Ask("depth", instrument.native, limit=5), _rest(example_event(instrument, depth))),
        (Ask("bars", instrument.native, interval="1m", limit=5), _rest(example_event(instrument, bar))),
        (Ask("trades", instrument.native, limit=5), _rest(example_event(instrument, trade))),
        *(
            (Ask(feed.asked, instrument.native), _rest(example_event(instrument, Channel(kind))))
            for kind, feed in venue.feeds.items()
            if feed.asked
        ),
    ]
    for ask, item in cases:
        name = ask.call
        call = venue.rest.get(name)
        if call is None:
            continue
        request = call.build(ask)
        read = server.read_rest(request.path, dict(request.query))
        assert read is not None, f"{venue.name}: its own server does not know {request.path}"
        assert read.call == name, f"{venue.name}: {request.path} is read back as {read!r}"
        got = call.parse(server.answer_rest(read, [item]), ask, ids, RECEIVED_NS)
        assert len(got) == 1, f"{venue.name} {name}: one item came back as {got!r}"
        if name == "time":
            assert got[0] == time, f"{venue.name}: its clock came back as {got[0]!r}"
        else:
            assert type(got[0]) is type(item), f"{venue.name} {name}: {item!r} came back as {got[0]!r}"


def _rest(event: Event) -> Event:
    return msgspec.structs.replace(event, source="rest")


def _check_control(venue: Venue) -> None:
    """Acknowledgements, refusals and pongs are read as such."""
    server, instrument = _server(venue), example_instrument(venue)
    decode = _decoder(venue, instrument)
    feed = next(iter(venue.feeds.values()))
    asked = Subscribe((Topic(str(example_channels(feed)[0]), instrument.native),), 7)
    read = server.read_request(venue.requests(asked)[0])
    assert isinstance(read, Subscribe)
    answers = [item for frame in server.acknowledge(read) for item in decode(frame, RECEIVED_NS)]
    assert any(isinstance(item, Ack) for item in answers), f"{venue.name}: {answers!r} holds no Ack"
    refusal = decode(server.refuse(read.request_id, "42", "no such thing"), RECEIVED_NS)
    assert isinstance(refusal[0], Refusal), f"{venue.name}: a refusal is read as {refusal!r}"
    assert "no such thing" in refusal[0].text, f"{venue.name}: the refusal's text is lost: {refusal!r}"
    if venue.heartbeat.ping is not None:
        assert isinstance(server.read_request(venue.heartbeat.ping), Ping), f"{venue.name}: its ping is not read as one"
        assert server.pong is not None, f"{venue.name} pings but its server has no pong"
        assert isinstance(decode(server.pong, RECEIVED_NS)[0], Pong), f"{venue.name}: its pong is not read as one"
