"""What a backfill shows while it runs, on a terminal and elsewhere, and what it says at the end."""

import asyncio
import io
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

from tapeline.app.history.backfill import Backfill, Series
from tapeline.model.fact import Span
from tapeline.model.instrument import Instrument
from tapeline.sim.loop import run
from tapeline.surfaces.filling_view import summary, watcher
from tapeline.sync.walk import Finding

DAY_NS = 86_400_000_000_000
PAIR = Instrument(venue="v", symbol="A/B", native="AB", kind="spot", base="A", quote="B")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def backfill(*series: Series, silent_s: float = 0.0, rows: int = 0, part: float = 0.0) -> Any:
    desk = SimpleNamespace(rest=SimpleNamespace(silent_s=lambda: silent_s))
    return SimpleNamespace(series=list(series), desks={"v": desk}, rows=rows, part=part)


def watched(out: io.StringIO, shown: Any, for_s: float, change: Callable[[], None] = lambda: None) -> str:
    async def main() -> None:
        watching: Awaitable[None] = watcher(out)(shown)
        task = asyncio.ensure_future(watching)
        await asyncio.sleep(for_s)
        change()
        await asyncio.sleep(for_s)
        task.cancel()
        await asyncio.wait({task})

    run(main())
    return out.getvalue()


def test_elsewhere_a_line_each_ten_seconds() -> None:
    shown = backfill(rows=1000)

    def change() -> None:
        shown.part, shown.rows = 0.25, 51_000
        shown.desks["v"].rest.silent_s = lambda: 90.0

    assert watched(io.StringIO(), shown, 10.5, change).splitlines() == [
        "0.0%, 1,000 rows, 100 rows/s, no end in sight yet",
        "25.0%, 51,000 rows, 5,000 rows/s, about 60 s left, v asked us to wait 90 s more",
    ]


def test_on_a_terminal_a_bar_a_series() -> None:
    one = Series(PAIR, "trades", (0, DAY_NS), state="walking", rows=1234, failed=1, trouble="HTTP 500 again")
    one.whole_ns, one.unasked_ns = DAY_NS, DAY_NS // 2
    said = watched(Terminal(), backfill(one, rows=1234, part=0.5), 0.6)
    for words in ("v:A/B trades", "50 %", "1,234 rows", "HTTP 500 again", "all"):
        assert words in said


def test_the_end_names_what_is_not_simply_held() -> None:
    first = Series(PAIR, "trades", (0, DAY_NS), state="done", rows=12_345, failed=2, trouble="HTTP 500")
    older = "the venue has no older ones"
    first.findings = [
        Finding(DAY_NS, 2 * DAY_NS, "proven", "ids"),
        Finding(0, DAY_NS // 2, "unrecoverable", "", older),
        Finding(DAY_NS // 2, DAY_NS, "unrecoverable", "", older),
        Finding(2 * DAY_NS, 3 * DAY_NS, "disputed", "", "two readings"),
    ]
    second = Series(PAIR, "bars:1m", (0, DAY_NS), state="refused", trouble="-1121 no such symbol")
    shown: Backfill = backfill(first, second)
    assert list(summary(shown)) == [
        "v:A/B trades: 12,345 new rows, 2 windows without an answer: HTTP 500",
        "  unrecoverable 1970-01-01T00:00:00Z to 1970-01-02T00:00:00Z: the venue has no older ones",
        "  disputed 1970-01-03T00:00:00Z to 1970-01-04T00:00:00Z: two readings",
        "v:A/B bars:1m: 0 new rows, refused: -1121 no such symbol",
    ]


def test_what_was_lost_or_in_dispute_before_is_said_to_be_left_alone() -> None:
    one = Series(PAIR, "trades", (0, 99 * DAY_NS), state="done")
    lost = Span(0, DAY_NS, "unrecoverable", "", "built", "deleted by compact: too old", "retention")
    one.known = [lost, Span(DAY_NS, 2 * DAY_NS, "disputed", "", "rest", "two readings", "disputed")]
    since = "1970-01-01T00:00:00Z to 1970-01-02T00:00:00Z"
    deleted = f"  unrecoverable {since}: deleted by compact: too old; not asked for again"
    assert list(summary(backfill(one)))[1:] == [
        f"{deleted}: fill another store to have it back",
        "  disputed 1970-01-02T00:00:00Z to 1970-01-03T00:00:00Z: two readings; not asked for again",
    ]
    one.known = [lost] * 23
    assert list(summary(backfill(one)))[-1] == "  and 3 more that are not asked for again: `tapeline gaps` lists them"
