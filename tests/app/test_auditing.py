"""The continuous audit in virtual time: an instance with a store, a venue that may revise its bars or lie."""

import asyncio
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

from msgspec.structs import replace

from audit_fixtures import BTC, OFTEN, audited, some_time
from repair_fixtures import START_NS, Scene, Theatre
from tapeline.app.audit.auditing import Auditor
from tapeline.app.instance import World
from tapeline.app.keeping import Keeping
from tapeline.app.running import assembled
from tapeline.app.symbols import Symbols
from tapeline.config import AlertsConfig, AuditConfig, Config, StoreConfig, StreamConfig
from tapeline.model.event import Bar, Dispute, Repair
from tapeline.model.fact import Fact
from tapeline.model.interval import MINUTE_NS
from tapeline.sim.loop import VirtualClock, run
from tapeline.store.reader import open_store
from tapeline.store.schema import FILE
from tapeline.venues.spec import Request
from tapeline.wire.pipe import Response

BUILT = "bars:1m@trades"


def test_stored_and_built_bars_are_equal_and_the_calls_few(tmp_path: Path) -> None:
    async def watch(on: Theatre, scene: Scene, _auditor: Auditor) -> None:
        await asyncio.sleep(4500)
        (desk,) = scene.instance.desks.values()
        assert desk.rest.calls["audit bars"] <= 4, "two series, an hour and a quarter, once an hour each"
        assert desk.rest.calls["time"] <= 28
        assert scene.of(Dispute, "bars:1m") == []
        assert len([request for request in on.asked if "klines" in request.path]) == desk.rest.calls["audit bars"]

    told = audited(tmp_path, watch, "bars:1m", "bars:5m", "trades", "bars:1m@trades", rate=6)
    assert (told.mismatches, told.mismatch_rate, told.trouble) == (0, 0.0, "")
    assert told.bars > 2 * 60 + 10, "an hour of 1m from the stream and from trades, and some of 5m"
    assert told.series == 2


def test_a_bar_that_the_venue_revised_is_disputed_with_both_readings_and_kept(tmp_path: Path) -> None:
    async def watch(_on: Theatre, scene: Scene, auditor: Auditor) -> None:
        await asyncio.sleep(900)
        disputes = scene.of(Dispute, "bars:1m") + scene.of(Dispute, "bars:1m@trades")
        assert disputes
        for dispute in disputes:
            assert "ours" in dispute.why
            assert "theirs" in dispute.why
            assert dispute.to_ns - dispute.from_ns == MINUTE_NS
            holes = scene.ledger.coverage(BTC, dispute.channel).holes()
            assert (dispute.from_ns, "disputed", "disputed") in [
                (each.from_ns, each.state, each.cause) for each in holes
            ]
        assert auditor.statistics().mismatch_rate > 0

    told = audited(tmp_path, watch, "bars:1m", "trades", "bars:1m@trades", faults=("revise@+290s",))
    with open_store(tmp_path) as store:
        holes = [hole for hole in store.holes() if hole.state == "disputed"]
        assert len(holes) == told.mismatches
        bar = next(iter(store.bars(BTC, "1m", holes[0].from_ns, holes[0].to_ns)))
        assert bar.revision == 1, "nothing was overwritten"


def wrong_once(on: Theatre, times: int) -> list[int]:
    """The venue's klines have another volume, so many times."""
    left = [times]

    async def fetch(base: str, request: Request) -> Response:
        answer = await on.sim.fetch(base, request)
        if "klines" in request.path and left[0]:
            left[0] -= 1
            rows = answer.body.replace(b'","', b'1","')  # each number a digit longer
            return Response(answer.status, answer.headers, rows)
        return answer

    on.fetch = fetch
    return left


def test_a_slip_of_the_venue_is_no_mismatch(tmp_path: Path) -> None:
    async def watch(on: Theatre, _scene: Scene, _auditor: Auditor) -> None:
        left = wrong_once(on, 1)
        await asyncio.sleep(900)
        assert left == [0]

    told = audited(tmp_path, watch, "bars:1m")
    assert (told.mismatches, told.calls, told.trouble) == (0, 2, "")
    assert told.bars > 0


def test_one_that_stays_is_and_the_second_time_too(tmp_path: Path) -> None:
    async def watch(on: Theatre, scene: Scene, _auditor: Auditor) -> None:
        wrong_once(on, 10**9)
        await asyncio.sleep(4500)
        at = [each.from_ns for each in scene.of(Dispute, "bars:1m")]
        assert len(at) == len(set(at)), "each bar once, over two turns"

    told = audited(tmp_path, watch, "bars:1m")
    assert told.mismatches == told.bars > 60
    assert told.mismatch_rate == 1.0


def test_trades_whose_bar_stays_unequal_are_in_dispute_in_the_next_turn(tmp_path: Path) -> None:
    """As after a venue has numbered anew: the numbers of what is held have no hole, and its bar says there is more."""

    async def watch(_on: Theatre, scene: Scene, auditor: Auditor) -> None:
        await asyncio.sleep(900)
        (dispute,) = scene.of(Dispute, BUILT)
        assert scene.of(Repair, "trades")[-1].why == "asked for again: nothing was missing"
        span = (dispute.from_ns, dispute.to_ns)
        assert scene.ledger.coverage(BTC, "trades").missing(span) == []
        await asyncio.sleep(3890)
        assert scene.of(Dispute, BUILT) == [dispute], "told once"
        (found,) = scene.ledger.coverage(BTC, "trades").spans(*span)
        assert (found.state, found.why) == ("disputed", dispute.why)
        await asyncio.sleep(10)
        bars = [bar for bar in scene.of(Bar, BUILT) if bar.open_at_ns == dispute.from_ns]
        assert (bars[-1].certificate, bars[-1].reason) == ("partial", "repair"), "made once more"
        calls = auditor.statistics().calls
        await asyncio.sleep(3900)
        assert auditor.statistics().calls == calls + 1, "one a turn, as ever"

    told = audited(tmp_path, watch, "trades", BUILT, faults=("revise@+290s",))
    assert told.mismatches == 1
    with open_store(tmp_path) as store:
        assert {(hole.channel, hole.state) for hole in store.holes()} == {("trades", "disputed"), (BUILT, "disputed")}


def test_what_was_missing_in_its_turn_is_compared_once_it_is_repaired(tmp_path: Path) -> None:
    async def watch(on: Theatre, scene: Scene, auditor: Auditor) -> None:
        async def silent(base: str, request: Request) -> Response:
            if "historicalTrades" in request.path:
                return Response(500, {}, b"oops")
            return await on.sim.fetch(base, request)

        on.fetch = silent
        await asyncio.sleep(1000)
        assert scene.ledger.to_fetch(BTC, "trades") != []
        before = auditor.statistics()
        assert before.unchecked == 1, "what lies in the hole"
        on.fetch = on.sim.fetch
        await asyncio.sleep(2000)
        assert scene.ledger.to_fetch(BTC, "trades") == []
        await asyncio.sleep(1000)
        after = auditor.statistics()
        assert after.calls == before.calls + 1
        assert after.bars - before.bars >= 62, "an hour of them, and those that were partial in the first turn"

    assert audited(tmp_path, watch, "trades", BUILT, faults=("cut@+100s+60s",)).mismatches == 0


def test_the_first_turn_of_a_run_looks_at_what_the_one_before_has_left(tmp_path: Path) -> None:
    async def some(_on: Theatre, _scene: Scene, auditor: Auditor) -> None:
        await asyncio.sleep(250)
        assert auditor.statistics().calls == 0, "its turn never came"

    async def more(_on: Theatre, _scene: Scene, _auditor: Auditor) -> None:
        await asyncio.sleep(400)

    audited(tmp_path, some, "bars:1m")
    told = audited(tmp_path, more, "bars:1m", start_ns=START_NS + 300 * 10**9)
    assert told.calls == 1
    assert told.bars >= 8, "of both runs"


def test_a_venue_that_does_not_answer_is_trouble_and_asked_again(tmp_path: Path) -> None:
    async def watch(on: Theatre, _scene: Scene, auditor: Auditor) -> None:
        async def fetch(base: str, request: Request) -> Response:
            if "klines" in request.path:
                return Response(500, {}, b"oops")
            return await on.sim.fetch(base, request)

        on.fetch = fetch
        await asyncio.sleep(700)
        assert "500" in auditor.statistics().trouble
        on.fetch = on.sim.fetch
        await asyncio.sleep(3700)
        assert auditor.statistics().bars > 60, "those of the time in which it did not answer too"

    told = audited(tmp_path, watch, "bars:1m")
    assert told.mismatches == 0


def test_an_instrument_that_the_venue_lists_no_more_is_left_out(tmp_path: Path) -> None:
    async def watch(_on: Theatre, scene: Scene, auditor: Auditor) -> None:
        (desk,) = scene.instance.desks.values()
        desk.symbols = Symbols("binance")
        await some_time(_on, scene, auditor)

    told = audited(tmp_path, watch, "bars:1m", "book", settings=OFTEN)
    assert (told.calls, told.series, told.trouble) == (0, 0, "")


def test_trades_that_nothing_else_proves_are_proven_by_sums(tmp_path: Path) -> None:
    """Raw trades of USD-M: their holes are lost for good, but where the sum is right there was nothing in them."""
    who = "binance-usdm:BTC/USDT:USDT"

    async def watch(_on: Theatre, scene: Scene, _auditor: Auditor) -> None:
        await asyncio.sleep(400)
        hole = Fact(who, "trades", START_NS + 200_000_000_000, START_NS + 200_000_000_005, "unrecoverable", "", "ws",
                    "no call", 1, cause="link_down", run=9)  # fmt: skip
        scene.ledger.note(hole)
        await asyncio.sleep(3700)
        spans = scene.ledger.coverage(who, "trades").spans(START_NS + 180_000_000_000, START_NS + 240_000_000_000)
        assert [(span.state, span.evidence) for span in spans] == [("proven", "sum")]

    told = audited(tmp_path, watch, "trades", venue="binance-usdm", symbol="BTC/USDT:USDT", rate=20,
                   settings=AuditConfig(calls_per_hour=2))  # fmt: skip
    assert told.trouble == ""
    with open_store(tmp_path) as store:
        assert "sum" in {span.evidence for span in store.coverage(who, "trades")}


def test_books_can_be_left_out_and_what_nobody_can_compare_is_not_asked(tmp_path: Path) -> None:
    settings = AuditConfig(calls_per_hour=120, books=False)
    told = audited(tmp_path, some_time, "book", "quotes", "trades", settings=settings)
    assert (told.calls, told.series) == (0, 0)


def test_a_bar_in_the_store_that_was_tampered_with(tmp_path: Path) -> None:
    async def watch(_on: Theatre, scene: Scene, _auditor: Auditor) -> None:
        await asyncio.sleep(200)
        bars = [bar for bar in scene.of(Bar, "bars:1m") if bar.closed]
        scene.repairer._writer.offer(replace(bars[0], volume=Decimal(1), revision=2, reason="late trade"))
        await asyncio.sleep(400)
        (dispute,) = scene.of(Dispute, "bars:1m")
        assert dispute.from_ns == bars[0].open_at_ns
        assert dispute.why.startswith("audit: volume ours 1, theirs ")

    assert audited(tmp_path, watch, "bars:1m").mismatches == 1


def test_a_bar_that_is_gone_from_the_store_is_missed_and_comes_back(tmp_path: Path) -> None:
    """The ledger says that it is held: its row was deleted."""

    async def watch(_on: Theatre, scene: Scene, _auditor: Auditor) -> None:
        await asyncio.sleep(200)
        first = next(bar for bar in scene.of(Bar, "bars:1m") if bar.closed)
        with closing(sqlite3.connect(tmp_path / FILE)) as connection:
            assert connection.execute("DELETE FROM bars WHERE open_at_ns = ?", (first.open_at_ns,)).rowcount == 1
            connection.commit()
        await asyncio.sleep(400)
        (dispute,) = scene.of(Dispute, "bars:1m")
        assert dispute.why.startswith("audit: bar ours none, theirs ")
        (repair,) = scene.of(Repair, "bars:1m")
        assert (repair.state, repair.why, repair.rows) == ("repaired", "fetched after disputed", 1)
        with open_store(tmp_path) as store:
            assert next(store.bars(first.instrument, "1m")).open_at_ns == first.open_at_ns
            assert store.holes() == []

    assert audited(tmp_path, watch, "bars:1m").mismatches == 1


def test_it_and_the_alerts_can_be_switched_off(tmp_path: Path) -> None:
    stream = StreamConfig(venue="binance", symbols=("BTC/USDT",), channels=("bars:1m",))

    async def main(on: bool) -> None:
        config = Config(
            stream=(stream,), store=StoreConfig(path=str(tmp_path)), audit=AuditConfig(enabled=on),
            alerts=AlertsConfig(enabled=on),
        )  # fmt: skip
        clock = VirtualClock(START_NS)
        world = World(dial=lambda _settings: None, fetch=None, clock=clock, chance=lambda: 0.5)  # type: ignore[arg-type, return-value]  # nobody dials
        running = assembled(config, world, Keeping(config, clock))
        parts = running.status()
        assert ("audit" in parts, "alerts" in parts, running.auditor is not None, running.health is not None) == (
            on, on, on, on,
        )  # fmt: skip
        assert running.mismatches() == 0

    for on in (True, False):
        run(main(on))
