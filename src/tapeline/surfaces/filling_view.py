"""How a backfill looks: a bar a series on a terminal, a line now and then elsewhere, and what was found at the end."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from tapeline.app.history.backfill import Backfill, Series
from tapeline.model.stamp import iso
from tapeline.store.compact import RETENTION

TERMINAL_EVERY_S, LINE_EVERY_S = 0.25, 10.0
SHOWN = 20  # series with a bar of their own, the rest is in the sum; and spans of one that are known
Watch = Callable[[Backfill], Awaitable[None]]


class _Rate(ProgressColumn):
    """New rows a second."""

    def render(self, task: Task) -> Text:
        """See rich."""
        rows, elapsed_s = task.fields["rows"], task.elapsed or 0.0
        return Text(f"{rows:,} rows, {rows / elapsed_s if elapsed_s else 0:,.0f}/s")


def watcher(out: TextIO) -> Watch:
    """Shows progress on `out` until it is cancelled."""
    return _bars(out) if out.isatty() else _lines(out)


def _bars(out: TextIO) -> Watch:
    async def watch(backfill: Backfill) -> None:
        columns = (
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), _Rate(),
            TimeRemainingColumn(), TextColumn("{task.fields[trouble]}", style="yellow"),
        )  # fmt: skip
        with Progress(*columns, console=Console(file=out), refresh_per_second=4) as progress:
            shown: dict[str, TaskID] = {}
            total = progress.add_task("all", total=1.0, rows=0, trouble="")
            while True:
                for each in backfill.series[:SHOWN]:
                    name = _name(each)
                    if name not in shown:
                        shown[name] = progress.add_task(name, total=1.0, rows=0, trouble="")
                    progress.update(shown[name], completed=each.part, rows=each.rows, trouble=_trouble(each))
                progress.update(total, completed=backfill.part, rows=backfill.rows, trouble=_waits(backfill))
                await asyncio.sleep(TERMINAL_EVERY_S)

    return watch


def _lines(out: TextIO) -> Watch:
    async def watch(backfill: Backfill) -> None:
        clock = asyncio.get_running_loop().time
        started, before = clock(), 0
        while True:
            await asyncio.sleep(LINE_EVERY_S)
            elapsed_s, part = clock() - started, backfill.part
            left = f"about {elapsed_s / part * (1 - part):,.0f} s left" if part > 0 else "no end in sight yet"
            rate = (backfill.rows - before) / LINE_EVERY_S
            before = backfill.rows
            words = [f"{part:.1%}", f"{backfill.rows:,} rows", f"{rate:,.0f} rows/s", left, _waits(backfill)]
            out.write(", ".join(word for word in words if word) + "\n")
            out.flush()

    return watch


def summary(backfill: Backfill) -> Iterator[str]:
    """A line a series, and one for each span that is not simply held."""
    for each in backfill.series:
        state = "" if each.state == "done" else f", {each.state}"
        failed = f", {each.failed} windows without an answer" if each.failed else ""
        trouble = f": {each.trouble}" if each.trouble and (state or failed) else ""
        yield f"{_name(each)}: {each.rows:,} new rows{state}{failed}{trouble}"
        for finding in _merged(each):
            yield f"  {finding[2]} {iso(finding[0])} to {iso(finding[1])}: {finding[3]}"
        for known in each.known[:SHOWN]:
            told = f"  {known.state} {iso(known.from_ns)} to {iso(known.to_ns)}: {known.why}; not asked for again"
            yield told + (": fill another store to have it back" if known.cause == RETENTION else "")
        if len(each.known) > SHOWN:
            yield f"  and {len(each.known) - SHOWN} more that are not asked for again: `tapeline gaps` lists them"


def _merged(series: Series) -> Sequence[tuple[int, int, str, str]]:
    found: list[tuple[int, int, str, str]] = []
    for each in sorted(series.findings, key=lambda one: one.from_ns):
        if each.state == "proven":
            continue
        if found and found[-1][1] == each.from_ns and found[-1][2:] == (each.state, each.why):
            found[-1] = (found[-1][0], each.to_ns, each.state, each.why)
        else:
            found.append((each.from_ns, each.to_ns, each.state, each.why))
    return found


def _name(series: Series) -> str:
    return f"{series.instrument.id} {series.channel}"


def _trouble(series: Series) -> str:
    return series.trouble[:60] if series.failed or series.state == "refused" else ""


def _waits(backfill: Backfill) -> str:
    silent = {name: desk.rest.silent_s() for name, desk in backfill.desks.items()}
    return ", ".join(f"{name} asked us to wait {left_s:.0f} s more" for name, left_s in silent.items() if left_s > 1)
