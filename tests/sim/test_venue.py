"""The server side of any venue: confirms, plays, answers, enforces its limits. Over memory, in virtual time."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest
import toy_venue as toy
from tape_stage import ACK, TRADES, URL, collect, end_of, one, played

from tapeline.errors import ConfigError, ConnectionLost
from tapeline.model.event import BookSnapshot
from tapeline.model.topic import Topic
from tapeline.sim.loop import VirtualClock, run
from tapeline.sim.market import Market
from tapeline.sim.recording import Recording
from tapeline.sim.venue import MORE_LIFE_S, SimulatedVenue
from tapeline.venues import venue_named


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


def test_a_venue_without_a_server_side() -> None:
    with pytest.raises(ConfigError, match="no server side"):
        SimulatedVenue(replace(toy.TOY, server=None), Recording(toy.TOY, TRADES), clock=VirtualClock(0))
