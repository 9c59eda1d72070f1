"""Many trading days, on all processors: `uv run python -m tapeline.sim.trading.soak --days 2000`.

As `tapeline.sim.kept.soak` plays kept days: `--progress FILE` goes on where it was stopped, each day that broke a
promise is printed with what plays it again, and the exit code is 1 where there was one.
"""

import sys

from tapeline.sim.kept.soak import Job, Kind, Outcome, main
from tapeline.sim.trading.day import run_trading_day
from tapeline.sim.trading.plan import DAY_S, TradingPlan
from tapeline.sim.trading.stage import playable
from tapeline.venues import venue_named


def play(job: Job) -> Outcome:
    """One day, in whichever process."""
    name, seed = job
    again = f"  again: uv run python -m tapeline.sim.trading.day {name} {seed}"
    try:
        report = run_trading_day(TradingPlan(venue=venue_named(name), seed=seed))
    except Exception as error:  # noqa: BLE001  # one that cannot be played must not end the others: it is a failure
        return Outcome(job, f"trading day {name} {seed}: {_innermost(error)!r}\n{again}", {}, 0)
    return Outcome(job, str(report) if report.violations else "", report.faults, report.crashes)


def _innermost(error: BaseException) -> BaseException:
    """What was raised in the midst of task groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


TRADING = Kind(
    module="tapeline.sim.trading.day", called=f"trading days of {DAY_S / 60:.0f} virtual minutes", play=play,
    playable=playable,
)  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], TRADING))
