"""Charts, figures and the page: what is drawn stands where it should, and nothing comes from elsewhere."""

import re
from decimal import Decimal

import pytest
from msgspec.structs import replace

from tapeline.app.trade.backtesting import Outcome
from tapeline.app.trade.candles import Candle, Candles
from tapeline.app.trade.record import Deal, Record, Sample, Trip
from tapeline.app.trade.statistics import statistics
from tapeline.surfaces.report.charts import candles, line
from tapeline.surfaces.report.figures import figures
from tapeline.surfaces.report.page import MOST_ROWS, page
from trade_fixtures import SECOND, START_NS, spot, walk

D = Decimal
BTC = "binance:BTC/USDT"
DAY = 86_400 * SECOND


def deal(side: str, price: str, at_s: int, note: str = "") -> Deal:
    return Deal(
        at_ns=START_NS + at_s * SECOND, account="binance", strategy="s", instrument=BTC, client_id="c", side=side,
        price=D(price), size=D("0.1"), value=D(price) / 10, fee=D("0.01"), fee_currency="USDT", liquidity="taker",
        slippage=D("0.02"), position="net", note=note,
    )  # fmt: skip


def trip(won: str, *, still_open: bool = False) -> Trip:
    return Trip(
        strategy="s", account="binance", instrument=BTC, side="long", opened_ns=START_NS,
        closed_ns=START_NS + 7200 * SECOND, size=D("0.1"), entry_price=D(100), exit_price=D(101), won=D(won),
        fees=D("0.01"), fills=2, open=still_open,
    )  # fmt: skip


def record() -> Record:
    made = Record({BTC: spot()}, lambda _venue, _one, _other: D(1))
    made.deals = [deal("buy", "100", 0, "<b>why</b>"), deal("sell", "101", 7200)]
    made.trips = [trip("5"), trip("-2"), trip("1", still_open=True)]
    made.samples = [
        Sample(START_NS + at * DAY, D(value), exposed=at < 3)
        for at, value in enumerate((1000, 1010, 990, 1020, 1030, 1025, 1040))
    ]
    made.denied = {"the account is halted": 3}
    made.orders = 5
    return made


def outcome(**changes: object) -> Outcome:
    made = record()
    given: dict[str, object] = {
        "statistics": statistics(made, "USDT", START_NS, START_NS + 6 * DAY), "record": made, "digest": "abc",
        "events": 7,
    }  # fmt: skip
    return Outcome(**(given | changes))  # type: ignore[arg-type]  # a table of changes


def test_figures_read_as_a_person_reads_them() -> None:
    found = dict(figures(outcome().statistics))
    assert found["return"] == "4.00 %"
    assert found["won"] == "40.00 USDT"
    assert found["max drawdown"] == "1.98 % (20.00)"
    assert found["longest drawdown"] == "2.0 days"
    assert found["exposure"] == "50.00 %"
    assert found["trades"] == "2 and 1 open"
    assert (found["win rate"], found["profit factor"], found["mean trade"]) == ("50.00 %", "2.50", "1.50 USDT")
    assert (found["mean holding"], found["orders"], found["fills"]) == ("2.0 hours", "5, 3 refused", "2, 0% maker")
    assert (found["fees"], found["slippage"]) == ("0.02 USDT", "0.04 USDT")
    assert float(found["Sharpe"]) > 1


def test_a_run_of_nothing_has_dashes() -> None:
    empty = Record({}, lambda _venue, _one, _other: None)
    found = dict(figures(statistics(empty, "USDT", START_NS, START_NS + SECOND)))
    assert {found[name] for name in ("return", "CAGR", "Sharpe", "win rate", "mean trade", "mean holding")} == {"-"}
    paid = replace(statistics(empty, "USDT", START_NS, START_NS + SECOND), payments=D(-3), mean_trade_s=300.0)
    assert dict(figures(paid))["funding and the like"] == "-3.00 USDT"
    assert dict(figures(paid))["mean holding"] == "5.0 minutes"


def test_candles_stand_in_order_and_markers_at_their_price() -> None:
    made = [Candle(START_NS + at * SECOND, 10, 12, 9, 11 - at) for at in range(3)]
    drawn = candles(made, SECOND, [deal("buy", "10", 1, "<b>why</b>")], (START_NS, START_NS + 3 * SECOND))
    places = [float(x) for x in re.findall(r'<rect class="\w+" x="([\d.]+)"', drawn)]
    assert places == sorted(places)
    assert re.findall(r'<rect class="(\w+)"', drawn) == ["up", "up", "down"]
    assert "&lt;b&gt;why" in drawn
    assert 'class="bought"' in drawn
    assert candles([], SECOND, [], (0, 1)) == "<p>no price was played</p>"


@pytest.mark.parametrize("values", [[1.0, 2.0, 1.5], [5.0, 5.0], [-3.0, 0.0], [0.0]])
def test_a_line_stays_on_its_paper(values: list[float]) -> None:
    points = [(START_NS + at * SECOND, value) for at, value in enumerate(values)]
    drawn = line(points, (START_NS, START_NS + 9 * SECOND), tall=100, name="equity")
    for x, y in re.findall(r"(-?[\d.]+),(-?[\d.]+)", drawn.split("polyline")[1]):
        assert 0 <= float(x) <= 1000
        assert 0 <= float(y) <= 100
    assert line([], (0, 1), tall=10, name="x") == "<p>nothing was sampled</p>"


def test_the_page_says_what_was_not_proven_what_failed_and_what_was_refused() -> None:
    made = Candles(START_NS, START_NS + 100 * SECOND)
    list(made.through((trade.at_ns or 0, trade) for trade in walk(100)))
    ranges = [(START_NS + at * SECOND, START_NS + (at + 1) * SECOND) for at in range(7)]
    text = page(outcome(missing={(BTC, "trades"): ranges}, paused={"s": "on_bar: oh <no>"}), made, "A <run>", "store x")
    assert "A &lt;run&gt;" in text
    assert "trades of binance:BTC/USDT may lack events" in text
    assert "and 2 more" in text
    assert "on_bar: oh &lt;no&gt;" in text
    assert "3 orders were refused: the account is halted" in text
    assert not re.search(r"(src|href)=|https?://", text)
    assert text.count("<tr>") == 4


def test_a_long_list_of_trades_is_cut_and_an_empty_one_said() -> None:
    many, none = record(), record()
    many.trips = [trip("1")] * (MOST_ROWS + 5)
    none.trips = []
    empty = Candles(START_NS, START_NS + SECOND)
    assert "and 5 more: see --csv" in page(outcome(record=many), empty, "t", "d")
    assert "<p>none</p>" in page(outcome(record=none), empty, "t", "d")
