import logging
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import structlog

from tapeline.errors import ConfigError
from tapeline.model.event import Bar, BookDelta, Gap, Link, Quote, Trade
from tapeline.sim import world
from tapeline.sim.faults import KINDS, fault
from tapeline.sim.witness import Witness, proofs
from tapeline.sim.world import WorldPlan, drawn, run_world
from tapeline.venues import venue_named

BTC = {"binance": "binance:BTC/USDT", "binance-usdm": "binance-usdm:BTC/USDT:USDT", "okx": "okx:BTC/USDT"}
SHORT_S = 5400.0


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


def plan_of(venue: str = "binance", *faults: str, **changes: Any) -> WorldPlan:
    parsed = [fault(text) for text in faults]
    return WorldPlan(
        venue=venue_named(venue), seed=1, duration_s=SHORT_S, faults=parsed, clock_steps=changes.pop("clock_steps", ()),
        **changes,
    )  # fmt: skip


@pytest.mark.parametrize("venue", BTC)
def test_a_calm_world_has_nothing_to_tell(venue: str) -> None:
    report = run_world(plan_of(venue))
    assert report.violations == ()
    assert (report.outages, report.gaps, report.faults, report.problems) == (0, {}, {}, {})
    assert report.counts["trade"] > 500
    assert report.counts["bar"] >= 2 * 3 * 5
    assert report.counts["quote"] == report.counts["book_delta"] >= 3 * 29


@pytest.mark.parametrize("venue", BTC)
def test_a_cut_is_one_outage_a_connection_and_what_it_swallowed_is_a_gap(venue: str) -> None:
    report = run_world(plan_of(venue, "cut@+25m+5m", "drop@+45m:trades"))
    assert report.violations == ()
    assert report.faults == {"cut": 1, "drop": 1}
    assert report.outages == len({feed.endpoint for feed in _feeds(venue)})
    assert report.gaps["id_jump"] == 1
    assert report.gaps["link_down"] >= 3 * 3


def _feeds(venue: str) -> list[Any]:
    return [venue_named(venue).feeds[kind] for kind in ("trades", "quotes", "book", "bars")]


def test_the_same_seed_ends_the_same_and_another_does_not() -> None:
    plan = plan_of("okx", "cut@+25m+5m", "mute@+40m+2m", clock_steps=[(3000.0, 3600.0)])
    assert run_world(plan) == run_world(plan)
    assert run_world(plan).digest != run_world(replace(plan, seed=2)).digest


def test_faults_come_from_the_seed_and_leave_the_end_calm() -> None:
    plan = WorldPlan(venue=venue_named("binance"), seed=7)
    faults = drawn(plan)
    assert faults == drawn(plan) != drawn(replace(plan, seed=8))
    assert len(faults) == plan.fault_count
    assert all(one.relative and one.at_ns <= (plan.duration_s - world.CALM_S) * 1e9 for one in faults)
    assert {one.kind for seed in range(40) for one in drawn(replace(plan, seed=seed))} == set(KINDS) - {"anew"}


def test_a_venue_with_too_few_instruments() -> None:
    with pytest.raises(ConfigError, match="binance has no 99 instruments to make a world of"):
        run_world(plan_of(symbols=99))


def test_a_world_too_short_for_random_faults() -> None:
    with pytest.raises(ConfigError, match="a world of 60 s is too short for random faults"):
        run_world(WorldPlan(venue=venue_named("binance"), seed=1, duration_s=60.0))


# ---- the proofs find what they are for: the same world, told wrongly


class Liar(Witness):
    """Changes what it hears of the first kind it is made for, once the world is well under way."""

    kind: Any = Trade
    turn: Any = None
    heard_of_kind = 0

    def hear(self, event: Any) -> None:
        if not isinstance(event, self.kind) or event.instrument != BTC["binance"]:
            return super().hear(event)
        self.heard_of_kind += 1
        for one in type(self).turn(event, self.heard_of_kind):
            super().hear(one)
        return None


def told(monkeypatch: pytest.MonkeyPatch, of_kind: type, how: Any, *faults: str) -> list[str]:
    monkeypatch.setattr(world, "Witness", type("Told", (Liar,), {"kind": of_kind, "turn": staticmethod(how)}))
    return list(run_world(plan_of("binance", *faults)).violations)


def once(turn: Any) -> Any:
    """Turn the fiftieth, or of rarer kinds the third, and leave the rest."""
    return lambda event, count: turn(event) if count in {3, 50} and count >= _NTH.get(type(event), 50) else (event,)


_NTH: dict[Any, int] = {Bar: 3, Quote: 3, BookDelta: 3}


def swapped() -> Any:
    held: list[Any] = []

    def swap(event: Any, count: int) -> list[Any]:
        if count == 3:
            held.append(event)
            return []
        return [event, held.pop()] if held else [event]

    return swap


def wrong(**changes: Any) -> Any:
    return once(lambda event: (msgspec.structs.replace(event, **changes),))


def never(_event: Any, _count: int) -> tuple[()]:
    return ()


@pytest.mark.parametrize(
    ("kind", "how", "says"),
    [
        (Trade, once(lambda _event: ()), "never came and no gap says so"),
        (Trade, once(lambda event: (event, event)), ", twice"),
        (Trade, swapped(), ", out of order"),
        (Trade, wrong(price=Decimal(1)), "it was Trade("),
        (Trade, never, "no trade ever came"),
        (Quote, once(lambda _event: ()), "never came and no gap says so"),
        (Quote, once(lambda event: (event, event)), ", twice"),
        (Quote, wrong(bid=Decimal(1)), "but the market stood at"),
        (Quote, never, "no quote ever came"),
        (BookDelta, once(lambda event: (event, event)), ", twice"),
        (BookDelta, swapped(), ", out of order"),
        (Bar, lambda event, _count: () if event.origin == "trades" else (event,), "no bar at"),
        (Bar, lambda event, _count: () if event.origin == "venue" else (event,), "no bar of the venue ever closed"),
        (Bar, lambda event, _count: (msgspec.structs.replace(event, high=Decimal(1)),), "high of the bars:15m"),
        (Bar, lambda event, _count: (msgspec.structs.replace(event, revision=7),), "revision 7 of the bar"),
        (Bar, lambda event, _count: (event, event) if event.closed else (event,), ", twice"),
    ],
)  # fmt: skip
def test_a_lie_is_found(monkeypatch: pytest.MonkeyPatch, kind: type, how: Any, says: str) -> None:
    found = told(monkeypatch, kind, how)
    assert any(says in sentence for sentence in found), found
    assert all(sentence.startswith(BTC["binance"]) for sentence in found), "only what was told wrongly"


def test_a_gap_that_is_kept_quiet_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    found = told(monkeypatch, Gap, never, "cut@+25m+10m")
    assert any("trade" in one and "never came and no gap says so" in one for one in found), found
    assert any("quote" in one and "never came and no gap says so" in one for one in found), found
    assert any("is partial, but nothing of it is missing" in one for one in found), found


def test_a_gap_without_a_hole_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def more(event: Trade, count: int) -> list[Any]:
        seq = event.seq or 0
        empty = Gap(event.instrument, "trades", event.at_ns, event.received_ns, "built", 1, 2, seq - 1, seq, "id_jump")
        return [empty, event] if count == 50 else [event]

    (said,) = told(monkeypatch, Trade, more)
    assert said.endswith("holds nothing that is missing")


def test_an_outage_that_does_not_end_is_found() -> None:
    seen = Witness()
    for change in ("up", "down", "down"):
        seen.hear(Link(None, "link", None, 1, "built", "binance", "binance/public/1", ("x",), change, "live", "why"))
    (said,) = proofs(seen, [], until_ns=1, bars="15m", proven=True, excused=lambda _at_ns: False, struck=0)
    assert said == "binance/public/1: not one down and one up an outage: up down down"


def test_a_wrong_world_says_how_to_see_it_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(world, "Witness", type("Told", (Liar,), {"turn": staticmethod(once(lambda _event: ()))}))
    assert world.main(["binance", "17"]) == 1
    said = capsys.readouterr().out
    assert "world binance 17: " in said
    assert "VIOLATED binance:BTC/USDT: trade " in said
    assert "again: uv run python -m tapeline.sim.world binance 17" in said
