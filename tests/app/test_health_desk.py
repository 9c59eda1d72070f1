"""The health of an instance on a simulated venue: what is measured, and what is published."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tapeline.app import health
from tapeline.app.health import HealthDesk, memory_bytes
from tapeline.config import AlertsConfig
from tapeline.model.event import Alert, Gap, ModeChange, Repair
from tapeline.store.writer import WriterStatistics

BTC = "binance:BTC/USDT"


@dataclass
class Slow:
    """A writer that is behind."""

    behind_s: float = 0.0
    rows: list[Any] = field(default_factory=list)

    def statistics(self) -> WriterStatistics:
        return WriterStatistics(0, 0, 0, 0, 0, 0, 0, 0, self.behind_s, "")


def desk_of(on: Any, writer: Any = None, **options: Any) -> tuple[HealthDesk, list[Any]]:
    alerts = on.collect(types=(Alert,))
    settings = options.pop("settings", AlertsConfig())
    writer = writer or Slow()
    return HealthDesk(on.instance, writer, settings=settings, clock=on.clock, **options), alerts


def switch(who: str, mode: str, after: str) -> ModeChange:
    before = "polling" if after == "websocket" else "websocket"
    return ModeChange(who, "mode", None, 1, "built", ("trades",), mode, before, after, "silent")


def told(alerts: list[Any]) -> list[tuple[str, str, str]]:
    return [(alert.kind, alert.state, alert.subject) for alert in alerts]


def test_a_venue_that_falls_silent_is_stale_and_comes_back(staged: Callable[..., None]) -> None:
    async def play(on: Any) -> None:
        desk, alerts = desk_of(on)
        running = asyncio.create_task(desk.run())
        await on.instance.subscribe(BTC, ["quotes", "trades", "bars:1m"])
        await asyncio.sleep(50)
        assert alerts == []
        await asyncio.sleep(90)
        (alert,) = alerts
        assert (alert.kind, alert.state, alert.subject) == ("stale", "raised", BTC)
        assert alert.text.startswith("nothing of ")
        (row,) = desk.statistics()
        assert (row["kind"], row["limit"]) == ("stale", 60.0)
        await asyncio.sleep(200)
        assert told(alerts)[1:] == [
            ("breaker_open", "raised", "binance/public/1"), ("breaker_open", "cleared", "binance/public/1"),
            ("stale", "cleared", BTC),
        ]  # fmt: skip
        assert desk.statistics() == []
        running.cancel()

    staged(play, faults=("refuse@+55s+120s", "cut@+60s+1s"), rate=600)


def test_quiet_feeds_are_never_stale_and_a_clock_that_jumps_changes_nothing(staged: Callable[..., None]) -> None:
    async def play(on: Any) -> None:
        desk, alerts = desk_of(on)
        running = asyncio.create_task(desk.run())
        await on.instance.subscribe("binance-usdm:BTC/USDT:USDT", ["liquidations", "quotes"])
        await asyncio.sleep(30)
        on.clock.step(3600.0)
        await asyncio.sleep(700)
        assert alerts == []
        running.cancel()

    staged(play, venue="binance-usdm")


def test_what_the_others_count(staged: Callable[..., None]) -> None:
    async def play(on: Any) -> None:
        writer, found = Slow(), [0]
        desk, alerts = desk_of(on, writer, mismatches=lambda: found[0])
        desk.look()
        writer.behind_s, found[0] = 11.0, 2
        on.instance.bus.publish(switch(BTC, "hybrid", "polling"))
        on.instance.bus.publish(switch("binance:ETH/USDT", "polling", "polling"))
        for _ in range(100):
            on.instance.problems.note("binance", "", "json", "bad", b"")
        await asyncio.sleep(1)
        desk.look()
        assert told(alerts) == [
            ("fallback", "raised", BTC), ("mismatch", "raised", "audit"), ("store_behind", "raised", "store"),
            ("error_rate", "raised", "problems"),
        ]  # fmt: skip
        assert alerts[0].text == "polled instead of streamed: silent"
        on.instance.bus.publish(switch(BTC, "hybrid", "websocket"))
        await asyncio.sleep(10)
        desk.look()
        assert ("fallback", "cleared", BTC) in told(alerts)

    staged(play)


def test_holes_that_nobody_can_fill(staged: Callable[..., None]) -> None:
    async def play(on: Any) -> None:
        desk, alerts = desk_of(on)
        await on.instance.desk("binance-usdm")
        desk.look()
        who, at = "binance-usdm:BTC/USDT:USDT", on.clock.wall_ns()

        def gap(channel: str, **options: Any) -> Gap:
            return Gap(who, channel, None, at, "built", 1, 2, None, None, "link_down", **options)

        for event in (gap("quotes"), gap("bars:1m"), gap("aggtrades"), gap("trades", open=True)):
            on.instance.bus.publish(event)
        on.instance.bus.publish(Repair(who, "aggtrades", None, at, "rest", 1, 2, "repaired", 5, "link_down", ""))
        desk.look()
        assert alerts == [], "they can be filled, or were, or nobody expects it of a quote"
        on.instance.bus.publish(gap("trades"))
        on.instance.bus.publish(
            Repair(who, "aggtrades", None, at, "rest", 1, 2, "unrecoverable", 0, "link_down", "48 h")
        )
        desk.look()
        (alert,) = alerts
        assert (alert.kind, alert.value) == ("gap_unrecoverable", 2.0)

    staged(play, venue="binance-usdm")


def test_a_breaker_that_opens(staged: Callable[..., None]) -> None:
    async def play(on: Any) -> None:
        desk, alerts = desk_of(on)
        running = asyncio.create_task(desk.run())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(600):
                await on.instance.subscribe(BTC, ["trades"], within_s=900)
        opened = [alert for alert in alerts if alert.kind == "breaker_open"]
        assert (opened[0].state, opened[0].subject) == ("raised", "binance/public/1")
        running.cancel()

    staged(play, faults=("refuse@+0s+3600s",))


def test_memory_is_read_where_the_system_tells(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(health, "_MEMORY", tmp_path / "no such file")
    assert memory_bytes() is None
    (tmp_path / "statm").write_text("100 7 3")
    monkeypatch.setattr(health, "_MEMORY", tmp_path / "statm")
    assert memory_bytes() == 7 * os.sysconf("SC_PAGE_SIZE")
