"""The server side of any venue: confirms, plays, answers, enforces its limits. Over memory, in virtual time."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import msgspec
import pytest
import toy_venue as toy

from tapeline.errors import ConfigError, ConnectionLost
from tapeline.model.event import BookSnapshot
from tapeline.model.topic import Topic
from tapeline.sim.faults import fault
from tapeline.sim.loop import VirtualClock, run
from tapeline.sim.market import Market
from tapeline.sim.recording import Recorded, Recording
from tapeline.sim.venue import MORE_LIFE_S, SimulatedVenue
from tapeline.venues import venue_named
from tapeline.venues.spec import Ask, Request, Venue
from tapeline.wire.pipe import Pipe

TRADES = [toy.trade(n, at_s=n) for n in range(1, 11)]
ACK = b'{"op":"ok","id":1,"topics":[],"code":"","text":""}'


def played(
    client: Callable[[SimulatedVenue], Coroutine[Any, Any, Any]], *, venue: Venue = toy.TOY,
    frames: Sequence[tuple[int, bytes]] = TRADES, answers: Sequence[Recorded] = (), speed: float | None = None,
    faults: Sequence[str] = (), says: list[Any] | None = None,
) -> Any:  # fmt: skip
    """Run one client against one tape."""

    def say(what: str, **facts: object) -> None:
        if says is not None:
            says.append((what, facts))

    async def main() -> Any:
        clock = VirtualClock(toy.START_NS)
        source = Recording(venue, frames, answers)
        sim = SimulatedVenue(venue, source, clock=clock, speed=speed, faults=[fault(f) for f in faults], say=say)
        async with sim.open():
            return await client(sim)

    return run(main())


async def collect(pipe: Pipe, until: int | None = None, within_s: float = 1000.0) -> list[bytes]:
    """Frames until there are so many, the connection ends, or nothing comes any more."""
    frames: list[bytes] = []
    try:
        async with asyncio.timeout(within_s):
            while until is None or len(frames) < until:
                frames += await pipe.receive()
    except (ConnectionLost, TimeoutError):
        pass
    return frames


async def end_of(pipe: Pipe) -> tuple[int | None, str]:
    """Close code and reason."""
    while True:
        try:
            await pipe.receive()
        except ConnectionLost as lost:
            return lost.code, str(lost)


URL = "ws://127.0.0.1:1/public"


async def one(sim: SimulatedVenue, *topics: str, url: str = URL) -> list[bytes]:
    async with sim.dial(url) as pipe:
        await pipe.send(toy.subscribe(*topics))
        return await collect(pipe)


def test_the_tape_starts_with_the_subscription_and_is_played_whole() -> None:
    async def client(sim: SimulatedVenue) -> list[bytes]:
        await asyncio.sleep(500)
        assert sim.player.now_ns() == toy.START_NS + 10**9
        return await one(sim, "trades AB")

    assert played(client) == [ACK, *(frame for _, frame in TRADES)]


def test_only_what_was_asked_for_is_played() -> None:
    other = [toy.trade(n, at_s=n + 0.5, native="CD") for n in range(5)]
    frames = played(lambda sim: one(sim, "trades CD"), frames=TRADES + other)
    assert frames == [ACK, *(frame for _, frame in other)]


def test_at_a_speed_tape_time_is_scaled_time() -> None:
    async def client(sim: SimulatedVenue) -> list[float]:
        seen = []
        async with sim.dial(URL) as pipe:
            await pipe.send(toy.subscribe("trades AB"))
            await pipe.receive()
            began = asyncio.get_running_loop().time()
            for _ in range(10):
                assert len(await pipe.receive()) == 1
                seen.append(round(asyncio.get_running_loop().time() - began, 3))
        return seen

    assert played(client, speed=2.0) == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5]


def test_the_slowest_reader_holds_the_tape() -> None:
    many = [toy.trade(n, at_s=n / 10) for n in range(20_000)]

    async def client(sim: SimulatedVenue) -> tuple[int, int, int]:
        async with sim.dial(URL) as slow, sim.dial(URL) as quick:
            await slow.send(toy.subscribe("trades AB"))
            await quick.send(toy.subscribe("trades AB"))
            first = await collect(quick, within_s=50)
            held_at = sim.player.now_ns()
            rest: list[bytes] = []
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(collect(quick, within_s=50))
                rest = await collect(slow, within_s=50)
            return len(first) + len(reading.result()), len(rest), held_at

    quick, slow, held_at = played(client, frames=many)
    assert (quick, slow) == (20_001, 20_001)
    assert toy.START_NS < held_at < toy.START_NS + 600 * 10**9


def test_at_the_end_time_stands_still_and_pings_are_answered() -> None:
    async def client(sim: SimulatedVenue) -> list[Any]:
        async with sim.dial(URL) as pipe:
            await pipe.send(toy.subscribe("trades AB"))
            await collect(pipe, 11)
            await asyncio.sleep(10_000)
            end_ns = sim.player.now_ns()
            await pipe.send(b"ping")
            answer = await pipe.receive()
            await pipe.ping()
            life = await pipe.receive()
            async with sim.dial(URL) as late:
                await late.send(toy.subscribe("trades AB"))
                return [end_ns, answer, life, await collect(late)]

    for speed in (None, 5.0):
        assert played(client, speed=speed) == [toy.START_NS + 10 * 10**9, [b"pong"], [], [ACK]]


def test_another_speed_is_served_under_the_name_asked_for() -> None:
    book = [toy.delta(n, n, [("9", "1")], [("11", "1")]) for n in range(1, 4)]
    frames = played(lambda sim: one(sim, "book@1000ms AB"), frames=book)
    assert [toy.topic_of(frame) for frame in frames[1:]] == [Topic("book@1000ms", "AB")] * 3


def test_unsubscribing_and_asking_twice() -> None:
    async def client(sim: SimulatedVenue) -> list[bytes]:
        async with sim.dial(URL) as pipe:
            await pipe.send(toy.subscribe("trades AB"))
            await pipe.send(toy.subscribe("trades AB", number=2))
            frames = await collect(pipe, 5)
            await pipe.send(toy.subscribe("trades AB", number=3, on=False))
            return frames + await collect(pipe)

    frames = played(client, speed=1.0)
    assert [frame for frame in frames if frame[:1] == b"{"] == [
        b'{"op":"ok","id":%d,"topics":[],"code":"","text":""}' % number for number in (1, 2, 3)
    ]
    assert [frame for frame in frames if frame[:1] != b"{"] == [frame for _, frame in TRADES[:3]]


@pytest.mark.parametrize("topic", ["trades XX", "bars:1m AB", "liquidations AB", "nonsense AB"])
def test_unknown_topics_are_mute_or_refused_as_the_venue_does(topic: str) -> None:
    assert played(lambda sim: one(sim, topic)) == [ACK]
    frames = played(lambda sim: one(sim, topic, "trades AB"), venue=toy.REFUSING)
    assert frames[:2] == [ACK, b'{"op":"error","id":1,"topics":[],"code":"60018","text":"no such channel"}']
    assert frames[2:] == [frame for _, frame in TRADES]


def test_a_path_that_carries_nothing_confirms_and_stays_mute() -> None:
    assert played(lambda sim: one(sim, "trades AB", url="ws://127.0.0.1:1/old")) == [ACK]


@pytest.mark.parametrize(
    ("path", "name", "carried"),
    [
        ("/public/ws/3", "btcusdt@trade", True), ("/public/ws", "btcusdt@trade", True),
        ("/public/stream", "btcusdt@trade", True), ("/market/ws/0", "btcusdt@aggTrade", True),
        ("/public/ws/3", "btcusdt@aggTrade", False), ("/ws/3", "btcusdt@trade", False),
        ("/publicity/ws", "btcusdt@trade", False),
    ],
)  # fmt: skip
def test_all_behind_a_route_of_its_own_is_one_endpoint(path: str, name: str, carried: bool) -> None:
    async def main() -> list[bytes]:
        venue = venue_named("binance-usdm")
        source = Market(venue, 1, toy.START_NS)
        async with (
            SimulatedVenue(venue, source, clock=VirtualClock(toy.START_NS), speed=1.0).open() as sim,
            sim.dial(f"ws://127.0.0.1:1{path}") as pipe,
        ):
            await pipe.send(b'{"method":"SUBSCRIBE","params":["%s"],"id":1}' % name.encode())
            return await collect(pipe, 2, 30.0)

    told = run(main())
    assert told[0] == b'{"result":null,"id":1}'
    assert (len(told) > 1) is carried


def test_topics_in_the_url() -> None:
    async def client(sim: SimulatedVenue) -> list[bytes]:
        async with sim.dial(URL + "?AB") as pipe:
            return await collect(pipe)

    assert played(client) == [frame for _, frame in TRADES]


def test_other_requests_and_nonsense() -> None:
    async def client(sim: SimulatedVenue) -> list[bytes]:
        async with sim.dial(URL) as pipe:
            await pipe.send(b"list")
            await pipe.send(b"{nonsense")
            return await collect(pipe, 2)

    listed, refused = played(client)
    assert listed == b'{"op":"listed"}'
    assert refused.startswith(b'{"op":"error","id":null')


def test_a_late_subscriber_to_a_stream_with_snapshots_gets_one() -> None:
    frames = [
        toy.snapshot(5, 0, [("9", "1")], [("11", "1")]),
        toy.delta(6, 1, [("9", "0"), ("8", "2")], []),
        toy.delta(7, 9, [], [("12", "3")]),
    ]

    async def client(sim: SimulatedVenue) -> list[bytes]:
        async with sim.dial(URL) as first:
            await first.send(toy.subscribe("book AB"))
            await collect(first, within_s=4)
            return await one(sim, "book AB")

    frames = played(client, frames=frames, venue=toy.SNAPPY, speed=1.0)
    (snapshot,) = toy.decode_market(frames[1], 0) if frames[0] == ACK else toy.decode_market(frames[0], 0)
    assert isinstance(snapshot, BookSnapshot)
    assert (snapshot.bids, snapshot.asks, snapshot.last_seq) == ([("8", "2")], [("11", "1")], 6)
    assert toy.delta(7, 9, [], [("12", "3")])[1] in frames


# ---- limits


@pytest.mark.parametrize(
    ("frames", "why"),
    [
        ([b"ping"] * 6, "more than 5 messages a second"),
        ([toy.subscribe(*(f"trades S{n}" for n in range(11)))], "more than 10 topics in a request"),
        (
            [toy.subscribe(*(f"trades S{10 * m + n}" for n in range(10))) for m in range(3)],
            "more than 20 topics on a connection",
        ),
    ],
)
def test_a_broken_rule_closes_with_1008(frames: list[bytes], why: str) -> None:
    async def client(sim: SimulatedVenue) -> tuple[int | None, str]:
        async with sim.dial(URL) as pipe:
            for frame in frames:
                await pipe.send(frame)
            return await end_of(pipe)

    says: list[Any] = []
    assert played(client, says=says) == (1008, f"closed by the venue: 1008 {why}")
    assert ("a rule was broken", {"rule": why}) in says


def test_requests_an_hour() -> None:
    async def client(sim: SimulatedVenue) -> int | None:
        async with sim.dial(URL) as pipe:
            for number in range(101):
                await pipe.send(toy.subscribe("trades AB", number=number))
                await asyncio.sleep(1)
            return (await end_of(pipe))[0]

    assert played(client) == 1008


def test_connections_in_a_window() -> None:
    async def client(sim: SimulatedVenue) -> tuple[float | None, int]:
        async with AsyncExitStack() as stack:
            for _ in range(10):
                await stack.enter_async_context(sim.dial(URL))
            with pytest.raises(ConnectionLost, match="HTTP 429") as lost:
                await stack.enter_async_context(sim.dial(URL))
            await asyncio.sleep(61)
            await stack.enter_async_context(sim.dial(URL))
        return lost.value.after_s, sim.dialled

    assert played(client) == (60.0, 12)


def test_the_life_of_a_connection() -> None:
    short = replace(toy.TOY, limits=replace(toy.TOY.limits, connection_life_s=4 - MORE_LIFE_S))

    async def client(sim: SimulatedVenue) -> tuple[int | None, int]:
        async with sim.dial(URL) as pipe:
            await pipe.send(toy.subscribe("trades AB"))
            frames = await collect(pipe)
            with pytest.raises(ConnectionLost) as lost:
                await pipe.receive()
            return lost.value.code, len(frames)

    assert played(client, venue=short, speed=1.0) == (1001, 6)


# ---- REST


def asked(sim: SimulatedVenue, call: str, **query: Any) -> Any:
    answer = sim.rest("/" + call, {name: str(value) for name, value in query.items()})
    assert answer.status == 200, answer.body
    return list(toy.parse(answer.body, Ask(call), {}, 0))


def test_rest_time_is_tape_time() -> None:
    async def client(sim: SimulatedVenue) -> list[int]:
        seen = [asked(sim, "time")[0].at_ns]
        async with sim.dial(URL) as pipe:
            await pipe.send(toy.subscribe("trades AB"))
            await asyncio.sleep(1)
            seen.append(asked(sim, "time")[0].at_ns)
            await asyncio.sleep(100)
            seen.append(asked(sim, "time")[0].at_ns)
        return [round((at_ns - toy.START_NS) / 1e9, 3) for at_ns in seen]

    assert played(client, speed=4.0) == [1.0, 5.0, 10.0]


def test_rest_trades_and_bars_follow_the_tape() -> None:
    frames = [toy.trade(n, at_s=n * 10, price=str(100 + n), size="2") for n in range(1, 13)]

    async def client(sim: SimulatedVenue) -> None:
        async with sim.dial(URL) as pipe:
            await pipe.send(toy.subscribe("trades AB"))
            await asyncio.sleep(62)  # tape time 72 s: trades 1 to 7
            assert [t.id for t in asked(sim, "trades", native="AB")] == ["1", "2", "3", "4", "5", "6", "7"]
            assert [t.id for t in asked(sim, "trades", native="AB", limit=2)] == ["6", "7"]
            assert [t.id for t in asked(sim, "trades", native="AB", from_id=3, limit=2)] == ["3", "4"]
            from_ns = toy.START_NS + 20 * 10**9
            between = asked(sim, "trades", native="AB", from_ns=from_ns, to_ns=from_ns + 20 * 10**9)
            assert [t.id for t in between] == ["2", "3"]
            bars = asked(sim, "bars", native="AB", interval="1m")
            assert [(str(b.open), str(b.close), str(b.volume), b.trades, b.closed) for b in bars] == [
                ("101", "103", "6", 3, True), ("104", "107", "8", 4, False),
            ]  # fmt: skip
            assert asked(sim, "bars", native="AB", interval="1m", limit=1) == bars[1:]
            await asyncio.sleep(100)
            assert asked(sim, "bars", native="AB", interval="1m")[-1].last_id == 12

    played(client, frames=frames, speed=1.0)


DEPTH = msgspec.json.encode([BookSnapshot("toy:AB", "book", None, 0, "rest", [("9", "1")], [("11", "1")], last_seq=6)])


def test_rest_depth_is_the_recorded_snapshot_then_the_book_of_now() -> None:
    frames = [toy.delta(n, n, [("9", str(n))], [("11", "0"), ("12", str(n))]) for n in range(5, 11)]
    recorded = Recorded(toy.START_NS + 6 * 10**9 + 1, "/depth", {"native": "AB"}, DEPTH)

    async def client(sim: SimulatedVenue) -> list[Any]:
        seen: list[Any] = []
        async with sim.dial(URL) as pipe:
            seen.append(sim.rest("/depth", {"native": "AB"}).body == DEPTH)
            await pipe.send(toy.subscribe("book AB"))
            for _ in range(3):
                await asyncio.sleep(1.6)
                (book,) = asked(sim, "depth", native="AB")
                seen.append((book.last_seq, book.bids, book.asks))
        return seen

    assert played(client, frames=frames, answers=[recorded], speed=1.0) == [
        True,
        (6, [("9", "1")], [("11", "1")]),
        (8, [("9", "8")], [("12", "8")]),
        (9, [("9", "9")], [("12", "9")]),
    ]


def test_rest_depth_after_a_hole_in_the_recording() -> None:
    frames = [toy.delta(7, 1, [("9", "7")], []), toy.delta(9, 2, [("9", "9")], []), toy.delta(10, 3, [("9", "10")], [])]
    later = DEPTH.replace(b'"last_seq":6', b'"last_seq":8')
    answers = [
        Recorded(toy.START_NS, "/depth", {"native": "AB"}, DEPTH),
        Recorded(toy.START_NS + 1, "/depth", {"native": "AB"}, later),
    ]

    async def client(sim: SimulatedVenue) -> Any:
        await one(sim, "book AB")
        (book,) = asked(sim, "depth", native="AB")
        return book.last_seq, book.bids

    assert played(client, frames=frames, answers=answers) == (10, [("9", "10")])
    # without a second snapshot the book is unknown from the hole on, and the recorded answer is all there is
    assert played(client, frames=frames, answers=answers[:1]) == (6, [("9", "1")])


def test_rest_instruments() -> None:
    async def client(sim: SimulatedVenue) -> Any:
        return [item.native for item in asked(sim, "instruments")]

    assert played(client) == ["AB"]
    listed = Recorded(toy.START_NS, "/instruments", {}, msgspec.json.encode([toy.PERP]))
    assert played(client, answers=[listed]) == ["BTC-PERP"]


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [("/nothing", {}, 404), ("/depth", {"native": "XX"}, 400), ("/depth", {"native": "AB"}, 400),
     ("/bars", {"limit": "x"}, 400), ("/aggtrades", {"native": "XX"}, 400)],
)  # fmt: skip
def test_rest_says_no_in_the_venues_words(path: str, query: dict[str, str], status: int) -> None:
    async def client(sim: SimulatedVenue) -> Any:
        return sim.rest(path, query)

    answer = played(client)
    assert answer.status == status
    assert msgspec.json.decode(answer.body)["status"] == status


def test_rest_weight_is_enforced_and_forgotten() -> None:
    async def client(sim: SimulatedVenue) -> Any:
        for _ in range(60):
            assert (await sim.fetch("http://x", Request("GET", "/time"))).status == 200
        limited = await sim.fetch("http://x", Request("GET", "/time"))
        await asyncio.sleep(61)
        again = await sim.fetch("http://x", Request("GET", "/time"))
        return limited.status, limited.headers["retry-after"], again.status

    assert played(client) == (429, "60", 200)


def test_a_venue_without_a_server_side() -> None:
    with pytest.raises(ConfigError, match="no server side"):
        SimulatedVenue(replace(toy.TOY, server=None), Recording(toy.TOY, TRADES), clock=VirtualClock(0))
