import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from order_stage import CREDENTIALS, STREAM, A, Network, accepting, decoder, order, settle, told
from wire_fakes import START_NS, mute

from tapeline.errors import ConnectionLost
from tapeline.model.account import OrderUpdate
from tapeline.sim.loop import VirtualClock, run
from tapeline.wire.private.line import PrivateLine
from tapeline.wire.private.session import Heard, Over, Way

WAY = Way(decoder=decoder("toy", "main", {"A": A}), opening=STREAM.opening)


@dataclass
class Owner:
    """Writes down what it is told."""

    opened_at: list[float] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    ticks: list[float] = field(default_factory=list)
    next_at: float = float("inf")

    def opened(self, line: PrivateLine) -> None:
        assert line.open
        self.opened_at.append(asyncio.get_running_loop().time())

    def hear(self, _line: PrivateLine, items: Sequence[Heard]) -> None:
        self.heard += items

    def tick(self, line: PrivateLine, now: float) -> float:
        assert line.session is not None
        self.ticks.append(now)
        return self.next_at


class Stage:
    def __init__(self, way: Way = WAY, how: object = accepting) -> None:
        self.network = Network({"private": how})
        self.owner = Owner()
        self.line = PrivateLine(
            way, CREDENTIALS, clock=VirtualClock(START_NS), stamp_ns=lambda: 5, owner=self.owner
        )  # fmt: skip

    async def keep(self) -> None:
        await self.line.keep("wss://toy/private", self.network.dial)


def test_it_opens_and_passes_on_what_it_hears() -> None:
    async def main() -> None:
        stage = Stage()
        task = asyncio.create_task(stage.keep())
        await settle()
        assert stage.line.open
        assert stage.owner.opened_at == [0.0]
        script = stage.network.last("private")
        assert [said["op"] for said in script.sent] == ["login", "subscribe"]
        assert script.sent[0]["stamp"] == 5
        script.say(told(**order("t1")))
        await settle()
        (update,) = stage.owner.heard
        assert isinstance(update, OrderUpdate)
        await stage.line.send(b'{"op": "login", "id": "x"}')
        assert script.sent[-1] == {"op": "login", "id": "x"}
        script.cut("the venue went away")
        with pytest.raises(ConnectionLost, match="the venue went away"):
            await task
        with pytest.raises(ConnectionLost, match="over"):
            await stage.line.send(b"{}")

    run(main())


def test_without_an_opening_it_is_open_as_soon_as_it_is_connected() -> None:
    async def main() -> None:
        stage = Stage(replace(WAY, opening=()))
        task = asyncio.create_task(stage.keep())
        await settle()
        assert stage.owner.opened_at == [0.0]
        task.cancel()

    run(main())


def test_pongs_keep_it_alive_and_silence_ends_it() -> None:
    async def main() -> None:
        stage = Stage()
        task = asyncio.create_task(stage.keep())
        await settle(500.0)
        script = stage.network.last("private")
        assert script.pings == 24  # every 20 s, from the opening on
        script.pongs = False
        with pytest.raises(Over, match="silent for 60 s"):
            await task
        assert script.closed
        assert asyncio.get_running_loop().time() == pytest.approx(540.0)

    run(main())


def test_an_opening_that_nobody_answers_ends_in_time() -> None:
    async def main() -> None:
        stage = Stage(how=mute)
        with pytest.raises(Over, match="not answered within 10 s"):
            await stage.keep()
        assert asyncio.get_running_loop().time() == 10.0
        assert stage.owner.opened_at == []

    run(main())


def test_its_owner_may_end_it_and_has_a_timer_of_its_own() -> None:
    async def main() -> None:
        stage = Stage()
        stage.owner.next_at = 3.0
        task = asyncio.create_task(stage.keep())
        await settle(2.0)
        assert 3.0 not in stage.owner.ticks
        await settle(2.0)
        assert min(at for at in stage.owner.ticks if at > 1.0) == pytest.approx(3.0)
        stage.owner.next_at = float("inf")
        stage.line.end(Over("enough"))
        stage.line.end(Over("a second reason"))
        with pytest.raises(Over, match="enough"):
            await task

    run(main())


def test_an_end_before_it_is_connected_counts_too() -> None:
    async def main() -> None:
        stage = Stage()
        stage.line.end(Over("not any more"))
        with pytest.raises(Over, match="not any more"):
            await stage.keep()

    run(main())


def test_a_failed_dial_is_told() -> None:
    async def main() -> None:
        with pytest.raises(ConnectionLost, match="refused"):
            await Stage(how=ConnectionLost("refused")).keep()

    run(main())
