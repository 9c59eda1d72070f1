"""The demo's course: two simulated venues in processes of their own, an instance on them, a view, a summary."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tapeline.app.running import Running, start
from tapeline.clock import SystemClock
from tapeline.config import Config, StoreConfig, StreamConfig
from tapeline.errors import ConnectionLost, NotHeld, UnknownInstrument, Unsynchronised
from tapeline.model.event import Bar, Event, Gap, Link, Repair
from tapeline.model.number import plain
from tapeline.model.stamp import iso
from tapeline.store.reader import Store, open_store

STREAMS = {
    "binance": (("BTC/USDT", "ETH/USDT"), ("trades", "quotes", "book", "bars:1m", "bars:1s@trades")),
    "okx": (("BTC/USDT",), ("trades", "quotes", "book", "bars:1m", "bars:1s@trades")),
}
CUT_VENUE = "binance"  # whose connection is cut, and two seconds of its market with it
START_S, CUT_AFTER = 1.0, 0.4  # the cut comes when the streams have been up for this part of the time
READY_WITHIN_S = 30.0
STOP_WITHIN_S = 10.0
LATENCIES_MOST = 200_000


@dataclass(slots=True)
class Seen:
    """What subscribers of the demo saw."""

    gaps: list[Gap] = field(default_factory=list)
    repairs: list[Repair] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    latencies_ns: list[int] = field(default_factory=list)

    def timed(self, event: Event) -> None:
        """From the frame leaving the socket to this callback."""
        if len(self.latencies_ns) < LATENCIES_MOST:
            self.latencies_ns.append(SystemClock.wall_ns() - event.received_ns)

    def percentile_us(self, share: float) -> float | None:
        """A percentile of those, in microseconds."""
        ordered = sorted(self.latencies_ns)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1000 if ordered else None


class Demo:
    """One demo run into `folder`."""

    def __init__(self, folder: Path, *, seconds: float, seed: int, keep: bool) -> None:
        self._folder, self._seconds, self._seed, self._keep = folder, seconds, seed, keep
        self._console = Console(highlight=False)  # symbols and paths are no numbers and times to colour
        self._seen = Seen()
        self._stopped = False

    async def run(self, stop: asyncio.Event) -> None:
        """Everything, from the venues' start to the summary."""
        store = self._folder / "store"
        async with AsyncExitStack() as stack:
            self._say("Starting simulated venues on loopback ports: no keys, no real venue is reached.")
            # the one with the cut last: its time runs from here, and the streams are to be up before
            inward = sorted(STREAMS, key=lambda venue: venue == CUT_VENUE)
            addresses = {venue: await stack.enter_async_context(self._venue(venue)) for venue in inward}
            for venue in STREAMS:
                self._say(f"  {venue:8} {addresses[venue]['ws']}  {addresses[venue]['rest']}")
            streams = tuple(
                StreamConfig(venue=venue, symbols=symbols, channels=channels, ws_url=addresses[venue]["ws"],
                             rest_url=addresses[venue]["rest"])
                for venue, (symbols, channels) in STREAMS.items()
            )  # fmt: skip
            config = Config(store=StoreConfig(path=str(store), tape=True), stream=streams, seed=self._seed)
            async with start(config) as running:
                self._watch(running)
                await self._show(running, stop)
            status, self._stopped = running.status("stopped"), stop.is_set()
        self._summarise(status, store)

    @asynccontextmanager
    async def _venue(self, venue: str) -> AsyncIterator[dict[str, str]]:
        """`tapeline serve-venue` in a process of its own, as any user would run it."""
        faults = ["--fault", f"cut@+{START_S + self._seconds * CUT_AFTER:.3f}s+2s"] if venue == CUT_VENUE else []
        with (self._folder / f"{venue}.log").open("wb") as log:
            command = (sys.executable, "-m", "tapeline.surfaces.cli", "serve-venue", venue, "--market", str(self._seed))
            process = await asyncio.create_subprocess_exec(
                *command, *faults, stdout=asyncio.subprocess.PIPE, stderr=log
            )
        try:
            assert process.stdout is not None, "it was asked for"
            async with asyncio.timeout(READY_WITHIN_S):
                line = await process.stdout.readline()
            if not line:
                said = (self._folder / f"{venue}.log").read_text(errors="replace")[-500:]
                raise ConnectionLost(f"the simulated {venue} did not start: {said}")
            address: dict[str, str] = json.loads(line)
            yield address
        finally:
            if process.returncode is None:
                process.terminate()
            async with asyncio.timeout(STOP_WITHIN_S):
                await process.communicate()

    def _watch(self, running: Running) -> None:
        seen, on = self._seen, running.instance.bus.subscribe
        on(seen.gaps.append, types=(Gap,), name="demo")
        on(seen.repairs.append, types=(Repair,), name="demo")
        on(seen.links.append, types=(Link,), name="demo")
        for venue, (symbols, _) in STREAMS.items():
            for symbol in symbols:
                for of in ("trades", "quotes"):
                    on(seen.timed, channel=of, instrument=f"{venue}:{symbol}", name="demo")

    async def _show(self, running: Running, stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._seconds
        if self._console.is_terminal:
            with Live(self._view(running, self._seconds), console=self._console, refresh_per_second=4) as live:
                await self._each(until, 0.25, stop, lambda left: live.update(self._view(running, left)))
        else:
            await self._each(until, 5.0, stop, lambda left: self._say(self._line(running, left)))

    async def _each(self, until: float, every_s: float, stop: asyncio.Event, show: Callable[[float], None]) -> None:
        loop = asyncio.get_running_loop()
        while (left := until - loop.time()) > 0 and not stop.is_set():
            show(left)
            try:
                async with asyncio.timeout(min(every_s, left)):
                    await stop.wait()
            except TimeoutError:
                continue

    def _line(self, running: Running, left: float) -> Text:
        counts = running.instance.bus.counts()
        events = "  ".join(f"{name} {count}" for name, count in sorted(counts.items()))
        states = ", ".join(
            f"{each.connection} {each.state}" for desk in running.instance.desks.values() for each in desk.statistics()
        )
        return Text(f"{left:4.0f} s left  {events}  [{states}]")

    def _view(self, running: Running, left: float) -> Group:
        links = Table(title=f"Connections, {left:.0f} s left", title_justify="left", box=None)
        for name in ("connection", "state", "topics", "frames", "re-dials", "reason"):
            links.add_column(name)
        for desk in running.instance.desks.values():
            for each in desk.statistics():
                colour = "green" if each.state == "live" else "red"
                links.add_row(
                    each.connection, f"[{colour}]{each.state}", f"{each.live_topics}/{each.topics}", str(each.frames),
                    str(each.re_dials), each.reason,
                )  # fmt: skip
        books = Table(title="Books", title_justify="left", box=None)
        for name in ("instrument", "bid", "ask"):
            books.add_column(name)
        for desk in running.instance.desks.values():
            for book in desk.books.books():
                books.add_row(book.instrument, *_best(book))
        counts = running.instance.bus.counts()
        events = Text("Events  " + "  ".join(f"{name} {count}" for name, count in sorted(counts.items())))
        gaps = Text(f"Gaps on record: {len(self._seen.gaps)}", style="yellow" if self._seen.gaps else "")
        return Group(links, books, events, gaps)

    def _became(self, gap: Gap) -> str:
        """What became of a hole, in words."""
        for repair in self._seen.repairs:
            same = (repair.instrument, repair.channel) == (gap.instrument, gap.channel)
            if same and gap.after_ns is not None and repair.from_ns <= gap.after_ns < repair.to_ns:
                later_s = (repair.received_ns - gap.received_ns) / 1e9
                return f"; {repair.state} {later_s:.1f} s later, {repair.rows} fetched"
        return "; nothing brings these back" if gap.channel in {"quotes", "book"} else "; not filled yet"

    def _say(self, text: str | Text) -> None:
        """One line, however long: whoever reads it from a file or a pipe finds it whole."""
        self._console.print(text, soft_wrap=True)

    def _summarise(self, status: dict[str, Any], store: Path) -> None:
        say = self._say
        say("\n[bold]What came[/bold]")
        for name, count in sorted(status["events"].items()):
            say(f"  {name:14} {count:>8}")
        with open_store(store) as held:
            bars = [
                bar for venue, (symbols, _) in STREAMS.items() for symbol in symbols
                for bar in _stored(held, f"{venue}:{symbol}")
            ]  # fmt: skip
            gaps = held.gaps()
        sorts = Counter(bar.certificate for bar in bars)
        told = ", ".join(f"{sorts[name]} {name}" for name in ("complete", "repaired", "partial") if sorts[name])
        say(f"  bars stored    {len(bars):>8}" + (f"  ({told})" if told else ""))
        say("\n[bold]What went wrong, on purpose[/bold]")
        if not status["outages"]:
            say("  nothing: " + (
                f"stopped before the cut, which comes after {self._seconds * CUT_AFTER:.0f} s" if self._stopped
                else "the streams were not up before the cut came; give them longer by --seconds"
            ))  # fmt: skip
        for outage in status["outages"]:
            took = f"recovered in {outage['took_s']:.3f} s" if outage["took_s"] is not None else "not recovered yet"
            say(f"  {iso(outage['down_at_ns'])[11:19]}  {outage['connection']}: {outage['reason']}; {took}")
        for gap in gaps:
            span = f" ({(gap.before_ns - gap.after_ns) / 1e9:.2f} s)" if gap.before_ns and gap.after_ns else ""
            missing = ""
            if gap.channel == "trades" and gap.after_seq is not None and gap.before_seq is not None:
                missing = f", {gap.before_seq - gap.after_seq - 1} trades missing"
            say(f"  gap in {gap.instrument} {gap.channel}: {gap.cause}{span}{missing}{self._became(gap)}")
        p50, p99 = self._seen.percentile_us(0.5), self._seen.percentile_us(0.99)
        if p50 is not None and p99 is not None:
            timed = len(self._seen.latencies_ns)
            say(f"\n[bold]Wire to callback[/bold]  p50 {p50:.0f} us, p99 {p99:.0f} us over {timed} events")
        self._what_next(store)

    def _what_next(self, store: Path) -> None:
        say = self._say
        if not self._keep:
            say("\nThe store was temporary. Run it again with [bold]--keep[/bold], and look at it:")
            say("  tapeline demo --keep")
            return
        say(f"\nThe store is at [bold]{store}[/bold] for you to look at:")
        for command in (
            f"tapeline bars binance:BTC/USDT 1s@trades --store {store}",
            f"tapeline trades binance:BTC/USDT --store {store} --format csv",
            f"tapeline gaps --store {store}",
            f"tapeline coverage binance:BTC/USDT --channel trades --store {store}",
            f"tapeline status --store {store}",
        ):
            say(f"  {command}")


def _stored(held: Store, instrument: str) -> Sequence[Bar]:
    """The bars that are stored; none where it was stopped before any was."""
    try:
        return list(held.bars(instrument, "1s@trades"))
    except (NotHeld, UnknownInstrument):
        return ()


def _best(book: Any) -> tuple[str, str]:
    try:
        bid, ask = book.best()
    except Unsynchronised as error:
        return f"[red]{error.reason}", ""
    return (plain(bid[0]) if bid else "", plain(ask[0]) if ask else "")
