"""Many kept days, on all processors: `uv run python -m tapeline.sim.kept.soak --days 2000`.

A run that is stopped goes on where it was (`--progress FILE`). Each day that broke a promise is printed with what plays
it again; the exit code is 1 where there was one.
"""

import argparse
import gc
import logging
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import structlog

from tapeline.sim.kept.day import DayPlan, run_day
from tapeline.venues import venue_named, venues

Job = tuple[str, int]  # venue, seed
TELL_EVERY_S = 30.0


@dataclass(slots=True)
class Tally:
    """How many days there were, and which of them failed."""

    days: int = 0
    failed: list[Job] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    crashes: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """One day."""

    job: Job
    said: str  # "" where all was well
    faults: dict[str, int]
    crashes: int


def playable() -> list[str]:
    """Every venue that can be simulated with a market of its own."""
    return [name for name, venue in venues().items() if venue.server and venue.server.sample_instruments]


def jobs(names: Sequence[str], first: int, last: int) -> Iterator[Job]:
    """Seeds first..last of each venue, seed by seed."""
    for seed in range(first, last + 1):
        for name in names:
            yield name, seed


def play(job: Job) -> Outcome:
    """One day, in whichever process."""
    name, seed = job
    try:
        report = run_day(DayPlan(venue=venue_named(name), seed=seed))
    except Exception as error:  # noqa: BLE001  # one that cannot be played must not end the others: it is a failure
        return Outcome(
            job, f"day {name} {seed}: {error!r}\n  again: uv run python -m tapeline.sim.kept.day {name} {seed}", {}, 0
        )
    return Outcome(job, str(report) if report.violations else "", report.faults, report.crashes)


def quiet() -> None:
    """No log from a worker: days are full of faults. Nor does it look for garbage in what is there for good."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def done_before(progress: Path | None) -> set[Job]:
    """The days an earlier run has played well; those that failed are played again."""
    if progress is None or not progress.exists():
        return set()
    lines = [line.split() for line in progress.read_text().splitlines()]
    return {(line[0], int(line[1])) for line in lines if len(line) == 3 and line[2] == "ok"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What sort of days are played. `module` plays one by hand; `play` has to be a function of a module."""

    module: str
    called: str  # in the report: "venue-days of 24 virtual hours"
    play: Callable[[Job], Outcome]
    playable: Callable[[], list[str]]


def soak(
    todo: Iterable[Job], total: int, *, processes: int, say: TextIO, progress: Path | None = None,
    play: Callable[[Job], Outcome] = play, within_s: float = float("inf"),
) -> Tally:  # fmt: skip
    """Play these days; tell of each that failed, and now and then how far it is. What is not done in time is left."""
    tally, began, told = Tally(), time.monotonic(), time.monotonic()
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, initializer=quiet) as pool:
        for outcome in pool.imap_unordered(play, todo, chunksize=4):
            tally.days += 1
            tally.faults.update(outcome.faults)
            tally.crashes += outcome.crashes
            if outcome.said:
                tally.failed.append(outcome.job)
                say.write(outcome.said + "\n")
            if progress is not None:
                with progress.open("a") as file:
                    file.write(f"{outcome.job[0]} {outcome.job[1]} {'failed' if outcome.said else 'ok'}\n")
            now = time.monotonic()
            if now - began >= within_s:
                break
            if now - told >= TELL_EVERY_S:
                told = now
                left_s = (total - tally.days) * (now - began) / tally.days
                say.write(f"{tally.days} of {total} days, {len(tally.failed)} failed, {left_s / 60:.0f} min left\n")
                say.flush()
    return tally


KEPT = Kind(module="tapeline.sim.kept.day", called="venue-days of 24 virtual hours", play=play, playable=playable)


def main(words: Sequence[str], kind: Kind = KEPT) -> int:
    """Play what the words ask for."""
    parser = argparse.ArgumentParser(
        prog="tapeline.sim.kept.soak", description=f"Many {kind.called}, on all processors."
    )
    parser.add_argument("--days", type=int, default=2000, help="how many, over all venues (default 2000)")
    parser.add_argument("--first", type=int, default=1, help="first seed (default 1)")
    parser.add_argument("--last", type=int, help="last seed; instead of --days")
    parser.add_argument("--venue", action="append", help="only this venue; repeat it for more")
    parser.add_argument("--progress", type=Path, help="a file to go on from")
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--within-s", type=float, default=float("inf"), help="end after so long, whatever is left")
    asked = parser.parse_args(words)
    names = asked.venue or kind.playable()
    last = asked.last if asked.last is not None else asked.first + -(-asked.days // len(names)) - 1
    done = done_before(asked.progress)
    todo = [job for job in jobs(names, asked.first, last) if job not in done]
    began = time.monotonic()
    tally = soak(
        todo, len(todo), processes=asked.processes, say=sys.stdout, progress=asked.progress, play=kind.play,
        within_s=asked.within_s,
    )  # fmt: skip
    if tally.days < len(todo):
        sys.stdout.write(f"time was up after {tally.days} of {len(todo)}\n")
    sys.stdout.write(
        f"{tally.days} {kind.called} in {time.monotonic() - began:.0f} s ({len(done)} before), "
        f"{sum(tally.faults.values())} faults of {len(tally.faults)} kinds, {tally.crashes} crashes, "
        f"{len(tally.failed)} failed\n"
    )
    for name, seed in tally.failed:
        sys.stdout.write(f"failed: uv run python -m {kind.module} {name} {seed}\n")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
