"""Faults in tape time: each strikes where it should, once, with the same outcome at any speed."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
import toy_venue as toy
from tape_stage import ACK, URL, collect, end_of, one, played

from tapeline.errors import BadData, ConnectionLost
from tapeline.sim.venue import SimulatedVenue
from tapeline.venues.spec import Request
from tapeline.wire.pipe import Pipe

TAPE = [toy.trade(n, at_s=n) for n in range(100)]


def numbers(frames: Sequence[bytes]) -> list[int]:
    """The trades among these frames, by number; -1 is a frame that means nothing."""
    found = []
    for frame in frames:
        if frame[:1] == b"{":
            continue
        try:
            (trade,) = toy.decode_market(frame, 0)
        except (BadData, UnicodeDecodeError):
            found.append(-1)
        else:
            found.append(int(trade.id))  # type: ignore[union-attr]  # the tape holds trades only
    return found


def each(*ranges: range) -> list[int]:
    return [n for one in ranges for n in one]


async def stubborn(sim: SimulatedVenue, log: list[Any], pause_s: float = 0.0) -> list[list[int]]:
    """A client that comes back after each end, until nothing comes any more."""
    lives: list[list[int]] = []
    while True:
        try:
            async with sim.dial(URL) as pipe:
                await pipe.send(toy.subscribe("trades AB"))
                frames = await _life(pipe, log, pause_s)
        except ConnectionLost as refused:
            log.append(str(refused))
            await asyncio.sleep(1)
            continue
        lives.append(numbers(frames))
        if lives[-1] and lives[-1][-1] == 99:
            return lives


async def _life(pipe: Pipe, log: list[Any], pause_s: float) -> list[bytes]:
    frames: list[bytes] = []
    try:
        async with asyncio.timeout(1000):
            while not frames or not frames[-1].endswith(TAPE[-1][1]):
                frames += await pipe.receive()
                await asyncio.sleep(pause_s)
    except ConnectionLost as lost:
        log.append(lost.code)
    except TimeoutError:
        log.append("silence")
    return frames


def lived(*faults: str, speed: float | None = None, pause_s: float = 0.0) -> tuple[list[list[int]], list[Any]]:
    log: list[Any] = []

    async def client(sim: SimulatedVenue) -> list[list[int]]:
        return await stubborn(sim, log, pause_s)

    return played(client, frames=TAPE, speed=speed, faults=faults), log


@pytest.mark.parametrize("pause_s", [0.0, 3.0])
@pytest.mark.parametrize("speed", [None, 1.0, 20.0])
def test_a_cut_loses_exactly_its_span(speed: float | None, pause_s: float) -> None:
    lives, log = lived("cut@+30s+20s", "cut@+60s+5s", speed=speed, pause_s=pause_s)
    assert lives == [each(range(30)), each(range(50, 60)), each(range(65, 100))]
    assert log == [None, None]


@pytest.mark.parametrize(("kind", "code"), [("close", 1001), ("close@1012", 1012), ("half", None), ("expire", 1001)])
def test_other_ways_to_end(kind: str, code: int | None) -> None:
    name, _, param = kind.partition("@")
    lives, log = lived(f"{name}@+30s+10s" + (f":{param}" if param else ""))
    assert lives == [each(range(30)), each(range(40, 100))]
    assert log == [code]


def test_a_cut_within_a_cut_is_none_and_windows_within_it_count() -> None:
    lives, log = lived("cut@+30s+20s", "cut@+40s+20s", "refuse@+35s:2", "drop@+45s+10s")
    assert lives == [each(range(30)), each(range(55, 100))]
    assert log == [None, f"could not connect to {URL}: HTTP 503", f"could not connect to {URL}: HTTP 503"]


def test_the_tape_waits_for_everything_that_was_asked_for_and_only_so_long() -> None:
    says: list[Any] = []

    async def client(sim: SimulatedVenue) -> list[Any]:
        async with sim.dial(URL) as pipe:
            await pipe.send(toy.subscribe("trades AB", "trades CD"))
            await collect(pipe)
        async with sim.dial(URL) as pipe:
            await pipe.send(toy.subscribe("trades AB"))
            early = numbers(await collect(pipe, within_s=60))
            held_ns = sim.player.now_ns()
            late = numbers(await collect(pipe))
        return [early, held_ns - toy.START_NS, late]

    tape = [*TAPE, *(toy.trade(n, at_s=n + 0.5, native="CD") for n in range(100))]
    early, held_ns, late = played(client, frames=tape, faults=["cut@+30s+20s"], says=says)
    assert (early, held_ns, late) == ([], 50 * 10**9, each(range(50, 100)))
    assert says[-2][0] == "the client that was cut has not come back: the tape goes on"


def test_a_second_connection_that_stays_away_holds_the_tape_a_moment_only() -> None:
    says: list[Any] = []

    async def client(sim: SimulatedVenue) -> list[int]:
        async with sim.dial(URL) as pipe, sim.dial(URL) as other:
            await pipe.send(toy.subscribe("trades AB"))
            await other.send(toy.subscribe("trades AB"))
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(collect(pipe))
                await collect(other)
        return numbers(await one(sim, "trades AB"))

    assert played(client, frames=TAPE, faults=["cut@+30s"], says=says) == each(range(30, 100))
    assert ("the client came back with fewer connections", {"waited_s": 5.0}) in says


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("drop@+10s", each(range(10), range(11, 100))),
        ("drop@+10s+5s", each(range(10), range(15, 100))),
        ("drop@+10s+5s:book", each(range(100))),
        ("duplicate@+10s", each(range(11), range(10, 100))),
        ("duplicate@+10s+2s:trades", [*range(10), 10, 10, 11, 11, *range(12, 100)]),
        ("reorder@+10s", [*range(10), 11, 10, *range(12, 100)]),
        ("reorder@+10s+4s", [*range(10), 11, 10, 13, 12, *range(14, 100)]),
        ("reorder@+10s+3s", [*range(10), 11, 10, 12, *range(13, 100)]),
        ("reorder@+99s", each(range(100))),
        ("mute@+10s+5s", each(range(10), range(15, 100))),
    ],
)
@pytest.mark.parametrize("speed", [None, 1.0])
def test_frames_that_vanish_repeat_or_swap(fault: str, expected: list[int], speed: float | None) -> None:
    frames = played(lambda sim: one(sim, "trades AB"), frames=TAPE, faults=[fault], speed=speed)
    assert numbers(frames) == expected


@pytest.mark.parametrize("kind", ["corrupt", "torn", "utf8", "oversize"])
def test_frames_that_mean_nothing(kind: str) -> None:
    frames = played(lambda sim: one(sim, "trades AB"), frames=TAPE, faults=[f"{kind}@+10s"])[1:]
    assert len(frames) == (101 if kind == "oversize" else 100)
    bad = frames[10]
    assert bad not in {frame for _, frame in TAPE}
    with pytest.raises(ValueError, match=r".") as error:
        toy.frame_is_good(bad)
    assert error.value is not None
    assert numbers(frames[:10] + frames[11:]) == each(range(10), range(10 if kind == "oversize" else 11, 100))
    if kind == "oversize":
        assert len(bad) == 10_000_000


def test_requests_without_an_answer() -> None:
    async def client(sim: SimulatedVenue) -> list[bytes]:
        async with sim.dial(URL) as pipe:
            await pipe.send(toy.subscribe("trades CD"))
            await collect(pipe, 12)
            for number in (2, 3, 4):
                await pipe.send(toy.subscribe("trades AB", number=number))
            return [frame for frame in await collect(pipe, 3, within_s=5) if frame[:1] == b"{"]

    tape = [*TAPE, *(toy.trade(n, at_s=n, native="CD") for n in range(100))]
    answers = played(client, frames=tape, faults=["no_ack@+8s:2"], speed=1.0)
    assert answers == [ACK.replace(b'"id":1', b'"id":4')]


def test_a_mute_venue_answers_no_ping() -> None:
    async def client(sim: SimulatedVenue) -> list[Any]:
        async with sim.dial(URL) as pipe:
            await pipe.send(toy.subscribe("trades AB"))
            await collect(pipe, 6)
            await asyncio.sleep(1)
            await pipe.send(b"ping")
            await pipe.ping()
            silent = await collect(pipe, within_s=10)
            return [silent, numbers(await collect(pipe, 1))]

    assert played(client, frames=TAPE, faults=["mute@+5s+20s"], speed=1.0) == [[], [25]]


def test_slow() -> None:
    async def client(sim: SimulatedVenue) -> list[float]:
        loop = asyncio.get_running_loop()
        times: list[float] = []
        async with sim.dial(URL) as pipe:
            await pipe.send(toy.subscribe("trades AB"))
            await pipe.receive()
            while len(times) < 8:
                frames = await pipe.receive()
                times += [round(loop.time(), 3)] * len(frames)
            began = loop.time()
            await sim.fetch("x", Request("GET", "/time"))
            return [*times, round(loop.time() - began, 3)]

    times = played(client, frames=TAPE, faults=["slow@+2.5s+20s:3"], speed=1.0)
    assert times == [0, 1, 2, 6, 7, 8, 9, 10, 3]
    assert played(client, frames=TAPE, faults=["slow@+2.5s+200s:3"])[-2:] == [3.25, 3]


def test_a_window_ends_even_while_the_tape_stands_still() -> None:
    lives, log = lived("cut@+30s", "refuse@+30s+5s")
    assert lives == [each(range(30)), each(range(30, 100))]
    assert log == [None, *[f"could not connect to {URL}: HTTP 503"] * 5]


def test_the_venues_notice_then_its_end() -> None:
    async def client(sim: SimulatedVenue) -> Any:
        async with sim.dial(URL) as pipe:
            await pipe.send(toy.subscribe("trades AB"))
            frames = await collect(pipe, 20)
            async with sim.dial(URL) as successor:
                await successor.send(toy.subscribe("trades AB"))
                _, code = await collect(pipe), (await end_of(pipe))[0]
                return frames.index(b'{"op":"closing"}'), code, numbers(await collect(successor))[-1]

    assert played(client, frames=TAPE, faults=["closing@+10s+30s"], speed=1.0) == (11, 1001, 99)


def test_random_faults_have_one_outcome() -> None:
    first = lived("random:5:400")
    assert first == lived("random:5:400")
    assert first != lived("random:6:400")


def test_twenty_five_thousand_frames_a_second_at_least() -> None:
    """No benchmark: it would show a frame being handled one by one."""
    many = [toy.trade(n, at_s=n / 100) for n in range(50_000)]
    frames = played(lambda sim: one(sim, "trades AB"), frames=many)
    assert len(frames) == 50_001


# ---- one connection of two


async def pair(sim: SimulatedVenue) -> list[list[int]]:
    """What two connections get of one topic until the tape ends, each dialled once and never again."""

    async def live(number: int) -> list[int]:
        await asyncio.sleep(number * 0.001)
        log: list[Any] = []
        async with sim.dial(URL) as pipe:
            await pipe.send(toy.subscribe("trades AB"))
            return numbers(await _life(pipe, log, 0.0))

    return list(await asyncio.gather(live(1), live(2)))


@pytest.mark.parametrize(
    ("fault", "struck"),
    [
        ("cut@+50s/2", each(range(50))),
        ("half@+50s+10s/2", each(range(50))),
        ("drop@+50s+5s/2", each(range(50), range(55, 100))),
        ("drop@+50s+5s:book/2", each(range(100))),
        ("corrupt@+50s/2", [*range(50), -1, *range(51, 100)]),
        ("reorder@+50s/2", [*range(50), 51, 50, *range(52, 100)]),
        ("reorder@+98500ms+10s/2", each(range(100))),
        ("mute@+50s+5s/2", each(range(50), range(55, 100))),
        ("duplicate@+50s/2", each(range(51), range(50, 100))),
    ],
)
def test_a_fault_of_one_connection_leaves_the_other_alone(fault: str, struck: list[int]) -> None:
    first, second = played(pair, frames=TAPE, speed=1.0, faults=(fault,))
    assert first == each(range(100))
    assert second == struck[1:], "the tape has begun with the first one"


def test_while_one_is_cut_dials_are_refused_and_the_market_goes_on() -> None:
    lives, log = lived("cut@+50s+5s/trades", speed=1.0)
    assert lives[0] == each(range(50))
    assert lives[1][0] in range(55, 58)
    assert lives[1][-1] == 99
    assert any("HTTP 503" in str(entry) for entry in log)


def test_all_may_be_cut_while_the_market_goes_on() -> None:
    first, second = played(pair, frames=TAPE, speed=1.0, faults=("close@+50s:1001/all",))
    assert first == [0, *second] == each(range(50))


def test_a_notice_to_one_and_a_restart_of_all() -> None:
    told = played(pair, frames=TAPE, speed=1.0, faults=("closing@+50s+5s/2",))
    assert told == [each(range(100)), each(range(1, 55))]
    first, second = played(pair, frames=TAPE, speed=1.0, faults=("anew@+50s",))
    assert first == [0, *second] == each(range(50))
