"""When the watchdog acts, and how often."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from hand_stage import START_NS

from tapeline.sim.loop import VirtualClock, run
from tapeline.watch.heartbeat import FILE, Heart
from tapeline.watch.report import Report
from tapeline.watch.watchdog import Watchdog


class Stage:
    """An engine whose heart can be stopped, and a watchdog that notes what it would do."""

    def __init__(self, folder: Path, *, done: Callable[[int], bool] = lambda _n: True) -> None:
        self.clock = VirtualClock(START_NS)
        self.folder = folder
        self.heart = Heart(folder, ("main",), self.clock)
        self.acts: list[tuple[float, str]] = []
        self._done = done
        self.told: list[list[Report]] = []
        self.dog = Watchdog(folder=folder, limit_s=15.0, clock=self.clock, act=self.act, told=self.told.append)

    async def act(self, why: str) -> list[Report]:
        self.acts.append((self.clock.now(), why))
        return [
            Report(account="main", mode="live", state="halted", who="watchdog", why=why,
                   verified=self._done(len(self.acts)))
        ]  # fmt: skip

    async def beats(self, seconds: int) -> None:
        for _ in range(seconds):
            self.heart.beat()
            await asyncio.sleep(1)

    def play(self, *scenes: Callable[["Stage"], object]) -> list[float]:
        async def main() -> None:
            async with asyncio.TaskGroup() as tasks:
                task = tasks.create_task(self.dog.run(), name="watchdog")
                for scene in scenes:
                    await scene(self)  # type: ignore[misc]  # each is a coroutine function
                task.cancel()

        run(main())
        return [at for at, _ in self.acts]


async def still(stage: Stage) -> None:
    del stage
    await asyncio.sleep(60)


async def lives(stage: Stage) -> None:
    await stage.beats(60)


async def ends(stage: Stage) -> None:
    stage.heart.end()


def test_an_engine_that_lives_is_left_alone(tmp_path: Path) -> None:
    assert Stage(tmp_path).play(still, lives) == []


def test_an_engine_whose_heart_stops_is_halted_once(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    acts = stage.play(lives, still, still)
    assert len(acts) == 1
    assert 74 <= acts[0] <= 76  # the last beat was at 59
    assert "has not said for" in stage.acts[0][1]
    assert [report.account for report in stage.told[0]] == ["main"]


def test_the_next_engine_is_watched_again(tmp_path: Path) -> None:
    assert len(Stage(tmp_path).play(lives, still, lives, still)) == 2


def test_an_engine_that_ended_in_order_is_no_emergency(tmp_path: Path) -> None:
    assert Stage(tmp_path).play(lives, ends, still, still) == []


def test_what_is_not_verified_is_tried_again(tmp_path: Path) -> None:
    assert len(Stage(tmp_path, done=lambda number: number == 3).play(lives, still)) == 3


def test_a_machine_that_was_started_anew_is_an_emergency(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.heart._boot = "an earlier one"

    async def once(at: Stage) -> None:
        at.heart.beat()
        await asyncio.sleep(3)

    stage.play(once)
    assert "the machine was started anew" in stage.acts[0][1]


def test_a_beat_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    async def torn(at: Stage) -> None:
        (at.folder / FILE).write_bytes(b"{")

    assert len(Stage(tmp_path).play(lives, torn, still)) == 1
