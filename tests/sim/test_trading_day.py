"""Trading days: what they are made of, that they are the same twice, and that a fault in the code is seen."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tapeline.errors import ConfigError
from tapeline.model.account import Fill, Payment
from tapeline.model.instrument import Instrument
from tapeline.model.interval import SECOND_NS
from tapeline.sim.faults import Fault
from tapeline.sim.kept.chance import Life
from tapeline.sim.paper.desk import Desk, Done
from tapeline.sim.trading import day as trading_day
from tapeline.sim.trading.chance import Happening
from tapeline.sim.trading.day import main, run_trading_day
from tapeline.sim.trading.plan import DAY_S, TradingPlan
from tapeline.sim.trading.trader import Trader
from tapeline.trading import reconcile as reconciling
from tapeline.trading.accounting import places
from tapeline.trading.accounting.ledger import Booking, Ledger
from tapeline.trading.risk.book import RiskBook
from tapeline.trading.risk.standing import Held, RiskState
from tapeline.venues import venue_named
from tapeline.venues.orders import OrderAsk

BINANCE = venue_named("binance")
QUIET = TradingPlan(
    venue=BINANCE, seed=1, kinds=(), lives=[Life(0, DAY_S)], clock_steps=(), halt=False, happenings=(), second="",
)  # fmt: skip
OKX_DERIVATIVES = 3  # a seed of which the day is one of derivatives


@pytest.mark.parametrize("end", ["stop", "halt", "flatten"])
def test_without_faults_everything_is_as_at_the_venue(end: str) -> None:
    report = run_trading_day(replace(QUIET, end=end))
    assert report.violations == ()
    assert (report.end, report.lives, report.crashes, report.faults, report.problems) == (end, 1, 0, {}, {})
    assert report.orders > 20
    assert report.fills > 10


@pytest.mark.parametrize(
    ("venue", "seed", "hedge"), [("okx", OKX_DERIVATIVES, True), ("binance-usdm", 1, True), ("binance", 1, False)]
)
def test_market_data_may_come_over_connections(venue: str, seed: int, hedge: bool) -> None:
    report = run_trading_day(replace(QUIET, venue=venue_named(venue), seed=seed, streamed=True, hedge=hedge))
    assert report.violations == ()
    assert (report.streamed, report.mode) == (True, "hedge" if hedge else "net")
    assert report.fills > 10
    assert report.problems == {}, "nothing goes wrong, and nobody complains"


def test_the_same_seed_is_the_same_day() -> None:
    plan = TradingPlan(venue=venue_named("okx"), seed=3)
    first, second = run_trading_day(plan), run_trading_day(plan)
    assert first == second
    assert run_trading_day(replace(plan, seed=4)).digest != first.digest


def test_a_fill_that_is_booked_wrongly_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Ledger.apply

    def wrong(self: Ledger, fill: Fill, *rest: Any, **more: Any) -> Booking:
        return real(self, msgspec.structs.replace(fill, fee=Decimal(0)) if fill.fee else fill, *rest, **more)

    monkeypatch.setattr(Ledger, "apply", wrong)
    report = run_trading_day(QUIET)
    assert any(sentence.startswith("fees in BTC of binance:BTC/USDT") for sentence in report.violations)
    assert str(report).endswith("again: uv run python -m tapeline.sim.trading.day binance 1")


def test_an_order_by_hand_whose_end_is_not_noticed_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    person = [Happening(60.0 + 5 * number, "person", f"p {number}") for number in range(30)]
    loss = Fault("told_lost", 100 * SECOND_NS, 60 * SECOND_NS, relative=True)
    plan = replace(QUIET, happenings=person, faults=(loss,), end="stop")
    assert run_trading_day(plan).violations == ()
    monkeypatch.setattr(reconciling, "_over", lambda *_: [])
    found = run_trading_day(plan)
    assert any(each.endswith("of other origin is shown as open, and it is not") for each in found.violations)


def test_whoever_cancels_the_order_of_a_person_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    person = [Happening(60.0 + 5 * number, "person", f"p {number}") for number in range(12)]
    plan = replace(QUIET, happenings=person, end="stop")
    real = Desk._cancel

    def careless(self: Desk, account: str, ask: OrderAsk, now_ns: int) -> Done:
        for each in self._exchange.open_orders(account):
            if each.client_id.startswith("web"):
                self._exchange.cancel(account, each.client_id, now_ns)
        return real(self, account, ask, now_ns)

    monkeypatch.setattr(Desk, "_cancel", careless)
    assert any(
        each.endswith("is of other origin, and was cancelled by us") for each in run_trading_day(plan).violations
    )


def test_money_that_is_booked_wrongly_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    moves = [Happening(100.0 + 50 * number, "transfer", f"t {number}") for number in range(4)]
    plan = replace(QUIET, venue=venue_named("binance-usdm"), happenings=moves, end="stop")
    assert run_trading_day(plan).violations == ()
    real = Ledger.pay

    def wrong(self: Ledger, payment: Payment) -> Booking:
        return real(self, msgspec.structs.replace(payment, amount=payment.amount * 2))

    monkeypatch.setattr(Ledger, "pay", wrong)
    assert run_trading_day(plan).violations


def test_a_liquidation_that_is_not_booked_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    squeezes = [Happening(200.0 + 150 * number, "squeeze", f"s {number}") for number in range(4)]
    plan = replace(QUIET, venue=venue_named("binance-usdm"), happenings=squeezes, hedge=False, end="stop")
    report = run_trading_day(plan)
    assert report.violations == ()
    assert report.faults["liquidation"]
    real = Ledger.apply

    def wrong(self: Ledger, fill: Fill, instrument: Instrument, strategy: str = "", **more: Any) -> Booking:
        if not strategy:  # what the venue did is no strategy's
            fill = msgspec.structs.replace(fill, price=fill.price + 1)
        return real(self, fill, instrument, strategy, **more)

    monkeypatch.setattr(Ledger, "apply", wrong)
    assert any(each.startswith("profit of binance-usdm:") for each in run_trading_day(plan).violations)


def test_a_day_without_orders_is_no_day_but_where_the_clock_was_set_back_and_strategies_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = replace(QUIET, duration_s=600.0, lives=[Life(0, 600.0)])
    early = run_trading_day(replace(plan, clock_steps=((1.0, -3600.0),)))
    assert (early.orders, early.violations) == (0, ())
    monkeypatch.setattr(Trader, "on_timer", lambda *_: None)
    (said,) = run_trading_day(plan).violations
    assert said == f"nobody placed an order at {plan.venue.name}: the day shows nothing"


def test_a_strategy_that_holds_what_a_stop_has_closed_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = replace(QUIET, venue=venue_named("binance-usdm"), hedge=False, end="flatten", seed=3)
    assert run_trading_day(plan).violations == ()
    monkeypatch.setattr(places, "allotted", lambda delta, *_, **__: {"": delta})
    monkeypatch.setattr(places.Places, "stand", lambda *_: None)
    found = run_trading_day(plan).violations
    assert any(each.startswith("strategies hold ") and each.endswith(" after flattening") for each in found)


@pytest.mark.parametrize(("seed", "what"), [(3, "halt"), (4, "flatten")])
def test_an_account_that_is_halted_or_closed_on_the_way_trades_again_once_a_person_resumes_it(
    seed: int, what: str
) -> None:
    person = [Happening(60.0 + 30 * number, "person", f"p {number}") for number in range(30)]
    plan = replace(QUIET, venue=venue_named("binance-usdm"), seed=seed, hedge=False, halt=True, happenings=person)
    report = run_trading_day(plan)
    assert (report.faults[what], report.violations) == (1, ())


def test_a_limit_that_risk_does_not_hold_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = replace(QUIET, venue=venue_named("binance-usdm"), hedge=True, end="stop")
    assert run_trading_day(plan).violations == ()
    monkeypatch.setattr(RiskBook, "state", _nothing_is_held(RiskBook.state))
    found = run_trading_day(plan)
    assert any("is held and could become" in each for each in found.violations)


def _nothing_is_held(real: Any) -> Any:
    def state(self: RiskBook, *args: Any) -> RiskState:
        found: RiskState = real(self, *args)
        figures = {name: msgspec.structs.replace(each, held=Held()) for name, each in found.figures.items()}
        return msgspec.structs.replace(found, figures=figures)

    return state


def test_two_venues_are_traded_by_one_engine() -> None:
    report = run_trading_day(replace(QUIET, second="okx", end="flatten"))
    assert report.violations == ()
    assert report.second == "okx"
    assert "and okx" in str(report)
    assert report.orders > run_trading_day(replace(QUIET, end="flatten")).orders


def test_days_are_played_by_name(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    report = run_trading_day(QUIET)
    monkeypatch.setattr(trading_day, "run_trading_day", lambda plan: replace(report, seed=plan.seed))
    assert main(["binance", "1", "2"]) == 0
    assert "trading day binance 2: 1 lives" in capsys.readouterr().out
    monkeypatch.setattr(trading_day, "run_trading_day", lambda _plan: replace(report, violations=("it broke",)))
    assert main(["binance", "1"]) == 1
    assert "VIOLATED it broke" in capsys.readouterr().out


def test_a_venue_without_orders_has_no_trading_day() -> None:
    with pytest.raises(ConfigError, match="takes no orders here"):
        run_trading_day(replace(QUIET, venue=replace(BINANCE, orders=None)))
