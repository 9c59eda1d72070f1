"""The reckoning finds what it is for: a store that was changed behind its back, in every way a promise can break."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import structlog
from msgspec.structs import replace

from tapeline.model.event import Bar
from tapeline.sim.faults import fault
from tapeline.sim.kept import day
from tapeline.sim.kept.chance import Life
from tapeline.sim.kept.day import DayPlan
from tapeline.sim.kept.reckoning import Truth, _as_told, reckoned
from tapeline.sim.loop import run
from tapeline.store.reader import open_store
from tapeline.venues import venue_named

HOURS_S = 2 * 3600.0
WHO = "binance:BTC/USDT"


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


def found(folder: Path, monkeypatch: pytest.MonkeyPatch, *statements: str, **changes: Any) -> list[str]:
    """What the reckoning says of a day after these statements were run on its store."""
    honest = reckoned

    def changed(_store: Any, truth: Any) -> list[str]:
        with closing(sqlite3.connect(folder / "series.sqlite", isolation_level=None)) as connection:
            for statement in statements:
                assert connection.execute(written_out(statement)).rowcount, f"{statement} changes nothing"
        with open_store(folder) as held:
            return honest(held, truth)

    monkeypatch.setattr(day, "reckoned", changed)
    plan = DayPlan(
        venue=venue_named("binance"), seed=2, fills=1, duration_s=HOURS_S, lives=(Life(0.0, HOURS_S),), stalls=(),
        clock_steps=(), faults=[fault(text) for text in changes.pop("faults", ())], **changes,
    )  # fmt: skip
    return list(run(day.live(plan, folder)).violations)


WORDS = {
    "$TRADES": "series = (SELECT series FROM series WHERE instrument = '$WHO' AND channel = 'trades')",
    "$BARS": "series = (SELECT series FROM series WHERE instrument = '$WHO' AND channel = 'bars:15m')",
    "$BUILT": "series = (SELECT series FROM series WHERE instrument = '$WHO' AND channel = 'bars:15m@trades')",
    "$ONE": "seq = (SELECT seq FROM trades ORDER BY seq LIMIT 1 OFFSET 60)",
    "$THEN": "open_at_ns = (SELECT open_at_ns FROM bars ORDER BY open_at_ns LIMIT 1 OFFSET 3)",
    "$REST": "at_ns, received_ns, side, price, size, first_id, last_id, source, exact",
    "$WHO": WHO,
    "$FACT": "INSERT INTO facts (series, run, from_ns, to_ns, state, evidence, source, why, cause, known_at_ns)",
    "$LIE": "'', 'rest', 'a lie', 'id_jump', 1 FROM trades WHERE $ONE",
}


def written_out(statement: str) -> str:
    for _ in range(2):
        for word, meaning in WORDS.items():
            statement = statement.replace(word, meaning)
    return statement


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("DELETE FROM trades WHERE $ONE", "is not held, and no hole says so"),
        ("DELETE FROM trades WHERE $ONE", "is claimed, but not all of it is held"),
        ("UPDATE trades SET price = 1.0, exact = NULL WHERE $ONE", "is held, it was Trade("),
        ("UPDATE trades SET seq = 5, id = '5' WHERE $ONE", "is held, and never happened"),
        ("INSERT INTO trades SELECT series, seq, 'x', $REST FROM trades WHERE $ONE", "is held twice"),
        ("DELETE FROM wanted WHERE $TRADES", "trades: nothing of it was ever kept"),
        ("UPDATE wanted SET to_ns = to_ns - 3600000000000 WHERE $TRADES", "and should reach to"),
        ("$FACT SELECT series, 0, at_ns + 1, at_ns + 9, 'unrecoverable', $LIE", "but nothing of it is missing"),
        ("$FACT SELECT series, 0, at_ns - 1, at_ns + 9, 'unrecoverable', $LIE", "reaches over 1 that are held"),
        ("$FACT SELECT series, 0, at_ns, at_ns + 1, 'missing', $LIE", "is still missing, and the venue has it"),
        ("DELETE FROM bars WHERE $BARS AND $THEN", "is not held, and no hole says so"),
        ("UPDATE bars SET volume = 1.0, exact = NULL WHERE $BARS AND $THEN", "volume of the bar"),
        ("UPDATE bars SET open_at_ns = open_at_ns + 1 WHERE $BARS AND $THEN", "and never was"),
        ("DELETE FROM bars WHERE $BARS", "bars:15m: nothing of it was ever kept"),
        ("UPDATE wanted SET to_ns = to_ns - 3600000000000 WHERE $BARS", "and should reach to"),
        ("DELETE FROM bars WHERE $BUILT AND $THEN", "there is no bar at"),
        ("UPDATE bars SET high = 9.0, exact = NULL WHERE $BUILT AND $THEN", "complete, but high"),
        ("UPDATE bars SET certificate = 'partial' WHERE $BUILT AND $THEN", "and all of it is held"),
        ("UPDATE bars SET open_at_ns = 900000000000 WHERE $BUILT AND $THEN", "and never was"),
    ],
)  # fmt: skip
def test_a_lie_in_the_store_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement: str, says: str
) -> None:  # fmt: skip
    sentences = found(tmp_path, monkeypatch, statement)
    assert any(says in sentence for sentence in sentences), sentences


def test_a_bar_that_the_venue_revised_may_be_held_either_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faults = ("cut@+16m+45m/all", "revise@+30m")
    assert found(tmp_path, monkeypatch, faults=faults) == []


def test_a_bar_that_was_revised_twice_may_be_held_as_it_was_told_in_between() -> None:
    one = Decimal(1)
    bar = Bar(
        WHO, "bars:15m", None, 9, "rest", "15m", 0, one, one, one, one, one, None, None, None, None, None, closed=True
    )  # fmt: skip
    double, fourfold = replace(bar, volume=Decimal(2)), replace(bar, volume=Decimal(4))
    truth = Truth(
        pits=(), trades="trades", bars="15m", built=(), until_ns=9, whole=True, revised=(double, fourfold)
    )  # fmt: skip
    for held in (bar, double, fourfold):
        assert list(_as_told("x", truth, {0: held}, {0: bar}, 9)) == []
    (said,) = _as_told("x", truth, {0: replace(bar, volume=Decimal(3))}, {0: bar}, 9)
    assert said == "x: volume of the bar at 0 (revision 0, rest) is 3, it was 1"


def test_without_repair_holes_may_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(tmp_path, monkeypatch, faults=("cut@+16m+45m/all",), repair=False) == []


def test_a_trade_whose_number_another_has_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The venue repeats five numbers; of two trades of one number the earlier one goes, and no hole says so."""
    gone = "DELETE FROM trades WHERE seq = (SELECT seq FROM trades ORDER BY at_ns LIMIT 1 OFFSET 70)"
    faults = ("anew@+72m:5",)
    said = found(tmp_path, monkeypatch, gone, faults=faults)
    assert any("is not held, and no hole says so" in each for each in said)
