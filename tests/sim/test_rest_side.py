"""What a simulated venue answers over REST: by the tape's time, within its weight, in the venue's words."""

import asyncio
from dataclasses import replace
from typing import Any

import msgspec
import pytest
import toy_venue as toy
from tape_stage import URL, collect, one, played

from tapeline.model.event import BookSnapshot
from tapeline.sim.recording import Recorded
from tapeline.sim.venue import SimulatedVenue
from tapeline.venues.orders import OrderRequest
from tapeline.venues.spec import Ask, Request

TAPE = [toy.trade(n, at_s=n) for n in range(100)]


def asked(sim: SimulatedVenue, call: str, **query: Any) -> Any:
    answer = sim.rest.get("/" + call, {name: str(value) for name, value in query.items()})
    assert answer.status == 200, answer.body
    return list(toy.parse(answer.body, Ask(call), {}, 0))


def test_time_is_tape_time() -> None:
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


def test_trades_and_bars_follow_the_tape() -> None:
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


def test_depth_is_the_recorded_snapshot_then_the_book_of_now() -> None:
    frames = [toy.delta(n, n, [("9", str(n))], [("11", "0"), ("12", str(n))]) for n in range(5, 11)]
    recorded = Recorded(toy.START_NS + 6 * 10**9 + 1, "/depth", {"native": "AB"}, DEPTH)

    async def client(sim: SimulatedVenue) -> list[Any]:
        seen: list[Any] = []
        async with sim.dial(URL) as pipe:
            seen.append(sim.rest.get("/depth", {"native": "AB"}).body == DEPTH)
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


def test_depth_after_a_hole_in_the_recording() -> None:
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


def test_instruments() -> None:
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
def test_says_no_in_the_venues_words(path: str, query: dict[str, str], status: int) -> None:
    async def client(sim: SimulatedVenue) -> Any:
        return sim.rest.get(path, query)

    answer = played(client)
    assert answer.status == status
    assert msgspec.json.decode(answer.body)["status"] == status


def test_weight_is_enforced_and_forgotten() -> None:
    async def client(sim: SimulatedVenue) -> Any:
        for _ in range(60):
            assert (await sim.fetch("http://x", Request("GET", "/time"))).status == 200
        limited = await sim.fetch("http://x", Request("GET", "/time"))
        await asyncio.sleep(61)
        again = await sim.fetch("http://x", Request("GET", "/time"))
        return limited.status, limited.headers["retry-after"], again.status

    assert played(client) == (429, "60", 200)


@pytest.mark.parametrize(("kind", "status", "after"), [("429", 429, "7"), ("ban", 418, "7")])
def test_faults_that_ask_for_silence(kind: str, status: int, after: str) -> None:
    async def client(sim: SimulatedVenue) -> list[int]:
        async with sim.dial(URL) as pipe:
            await pipe.send(toy.subscribe("trades AB"))
            await collect(pipe, 7)
            first = sim.rest.get("/time", {})
            assert first.status != status or first.headers["retry-after"] == after
            return [first.status, sim.rest.get("/time", {}).status]

    assert played(client, frames=TAPE, faults=[f"{kind}@+5s:7"], speed=1.0) == [status, 200]
    assert played(client, frames=TAPE, faults=[f"{kind}@+5s+3s:7"], speed=1.0) == [status, status]
    assert played(client, frames=TAPE, faults=[f"{kind}@+1s+1s:7"], speed=1.0) == [200, 200]


@pytest.mark.parametrize(("kind", "statuses"), [("down", [503, 503]), ("500", [500, 200]), ("half_body", [200, 200])])
def test_answers_that_fail(kind: str, statuses: list[int]) -> None:
    async def client(sim: SimulatedVenue) -> list[Any]:
        async with sim.dial(URL) as pipe:
            await pipe.send(toy.subscribe("trades AB"))
            await collect(pipe, 4)
            return [sim.rest.get("/trades", {"native": "AB"}) for _ in range(2)]

    first, second = played(client, faults=[f"{kind}@+2s"], speed=1.0)
    assert [first.status, second.status] == statuses
    assert kind != "half_body" or first.body == second.body[: len(second.body) // 2]


def test_only_what_is_asked_for_is_answered() -> None:
    async def client(sim: SimulatedVenue) -> list[Any]:
        common: Any = {"path": "/time", "query": "a=1", "headers": {}, "body": b""}
        return [await sim.answer(OrderRequest(method=method, **common)) for method in ("GET", "PUT")]

    assert [each.status for each in played(client)] == [200, 404]


def test_a_window_of_time_that_is_longer_than_the_venue_takes() -> None:
    short = replace(toy.TOY, rest={**toy.TOY.rest, "trades": replace(toy.TOY.rest["trades"], window_s=60.0)})

    async def client(sim: SimulatedVenue) -> list[int]:
        queries = [{"native": "AB", "from_ns": "0", "to_ns": str(to_s * 10**9)} for to_s in (60, 61)]
        return [sim.rest.get("/trades", query).status for query in queries]

    assert played(client, venue=short) == [200, 400]
