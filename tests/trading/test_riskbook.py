"""The memory of risk; and, whatever is asked and whatever becomes of it, the worst case stays within the limits."""

from decimal import Decimal

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tapeline.model.instrument import Instrument
from tapeline.model.limits import RiskLimits
from tapeline.model.order import Intent
from tapeline.trading.risk.book import Around, RiskBook
from tapeline.trading.risk.check import Approved, Denied
from tapeline.trading.risk.exposure import Place
from tapeline.trading.risk.limits import Tables
from tapeline.trading.risk.losses import DAY_NS
from tapeline.trading.risk.standing import Held, Market

D = Decimal
SWAP = Instrument(
    venue="pit", symbol="BTC/USDT:USDT", native="BTCUSDT", kind="perpetual", base="BTC", quote="USDT", settle="USDT"
)
BTC, ETH = SWAP.id, "pit:ETH/USDT:USDT"
AROUND = Around(SWAP, Market(price=D(100), bid=D(99), ask=D(101), age_s=0.1))
BUY = Intent(instrument=BTC, side="buy", kind="limit", size=D(1), price=D(100), account="main", strategy="grid")
PLACE = Place("main", "grid", BTC)


def worth(instrument: str, size: Decimal) -> Decimal | None:
    return size * {BTC: 100, ETH: 10}[instrument]


def book(limits: RiskLimits, **tables: dict[str, RiskLimits]) -> RiskBook:
    found = RiskBook(Tables(every=limits, **tables), worth=worth)
    found.marked("main", D(1000), 0)
    return found


def code(of: RiskBook, intent: Intent = BUY, now_ns: int = 0, around: Around = AROUND) -> str:
    found = of.judge(intent, around, now_ns, client_id="t1")
    return found.code if isinstance(found, Denied) else ""


def test_what_passes_is_counted_and_what_is_refused_is_not() -> None:
    of = book(RiskLimits(max_orders_per_minute=2, max_order_size=D(5)))
    assert code(of, msgspec.structs.replace(BUY, size=D(6))) == "max_order_size"
    assert [code(of), code(of), code(of)] == ["", "", "max_orders_per_minute"]
    assert code(of, now_ns=60_000_000_000) == ""


def test_an_order_equal_to_one_just_now_is_refused() -> None:
    of = book(RiskLimits(duplicate_s=1.0))
    assert [code(of), code(of, now_ns=10**9), code(of, now_ns=10**9 + 1)] == ["", "duplicate_s", ""]


def test_cancels_beyond_the_limit_refuse_orders() -> None:
    of = book(RiskLimits(max_cancels_per_minute=1))
    of.cancelled(PLACE, 0)
    assert code(of) == ""
    of.cancelled(PLACE, 0)
    assert code(of) == "max_cancels_per_minute"


def test_losses_of_the_account_and_of_a_strategy() -> None:
    of = book(RiskLimits(max_daily_loss=D(100)), strategy={"grid": RiskLimits(max_drawdown_share=D("0.05"))})
    assert code(of) == ""
    of.won(("strategy", "grid"), D(0), 0)
    of.won(("strategy", "grid"), D(-60), 1)
    assert code(of) == "max_drawdown_share"  # 60 of the 1,000 that the account was worth at best
    of.won(("strategy", "grid"), D(0), 2)
    of.marked("main", D(899), 2)
    assert code(of) == "max_daily_loss"
    of.marked("main", D(899), DAY_NS)
    assert code(of, now_ns=DAY_NS) == ""


def test_an_account_of_unknown_worth_has_lost_too_much() -> None:
    of = RiskBook(Tables(every=RiskLimits(max_daily_loss=D(100))), worth=worth)
    assert code(of) == "max_daily_loss"
    free = RiskBook(Tables(), worth=worth)
    assert code(free) == ""


def test_a_restart_keeps_the_losses() -> None:
    of = book(RiskLimits(max_daily_loss=D(100)))
    of.marked("main", D(800), 1)
    again = RiskBook(of.limits.now, worth=worth, losses=of.losses.memo())
    assert code(again) == "max_daily_loss"


def test_fees() -> None:
    of = book(RiskLimits(max_daily_fees=D(2)))
    of.paid(PLACE, D(3))
    assert code(of) == "max_daily_fees"


def test_gross_of_the_account_counts_other_instruments() -> None:
    of = book(RiskLimits(max_gross=D(250)))
    of.exposure.set(Place("main", "cross", ETH), Held(size=D(-16)), 0)
    assert code(of) == "max_gross"
    of.exposure.set(Place("main", "cross", ETH), Held(size=D(-15)), 0)
    assert code(of) == ""


def test_breaches_are_what_is_exceeded_as_it_stands() -> None:
    of = book(RiskLimits(max_gross=D(250), max_leverage=D(3), max_daily_loss=D(50)), strategy={
        "grid": RiskLimits(max_position=D(2))
    })  # fmt: skip
    assert of.breaches() == []
    of.exposure.set(PLACE, Held(size=D(3)), 0)
    of.exposure.set(Place("main", "cross", ETH), Held(size=D(1)), 0)
    of.marked("main", D(100), 1)
    assert [(each.scope, each.name, each.code, each.value) for each in of.breaches()] == [
        ("account", "main", "max_daily_loss", "900"),
        ("account", "main", "max_gross", "310"),
        ("account", "main", "max_leverage", "3.1"),
        ("strategy", "grid", "max_position", "3"),
    ]
    assert of.breaches()[0].text == "max_daily_loss of account main is 50, and it stands at 900"


def test_a_loss_is_a_breach_without_any_position() -> None:
    of = book(RiskLimits(max_drawdown=D(50)))
    of.marked("main", D(900), 1)
    assert [(each.account, each.code, each.value) for each in of.breaches()] == [("main", "max_drawdown", "100")]


LIMITS = RiskLimits(max_position=D(6), max_gross=D(900), max_net=D(800), max_open_orders=5)
sides = st.sampled_from(["buy", "sell"])


class WorstCase(RuleBasedStateMachine):
    """Orders are asked for, filled in part or whole, forgotten, amended; reduce-only ones stop at zero."""

    def __init__(self) -> None:
        super().__init__()
        self.book = book(LIMITS, instrument={BTC: RiskLimits(max_position_value=D(550))})
        self.sizes = {BTC: D(0), ETH: D(0)}
        self.orders: list[tuple[str, str, Decimal, bool]] = []  # instrument, side, left, reduce-only

    @rule(instrument=st.sampled_from([BTC, ETH]), side=sides, size=st.integers(1, 9), reduces=st.booleans())
    def ask(self, instrument: str, side: str, size: int, *, reduces: bool) -> None:
        intent = msgspec.structs.replace(
            BUY, instrument=instrument, side=side, size=D(size), price=D(1), reduce_only=reduces
        )
        price = D(100 if instrument == BTC else 10)
        around = Around(msgspec.structs.replace(SWAP, symbol=instrument[4:]), Market(price=price, age_s=0.1))
        if isinstance(self.book.judge(intent, around, 0, client_id="t1"), Approved):
            self.orders.append((instrument, side, D(size), reduces))
        self.tell()

    @rule(which=st.integers(0, 9), part=st.integers(1, 9))
    def fill(self, which: int, part: int) -> None:
        if which < len(self.orders):
            instrument, side, left, reduces = self.orders.pop(which)
            size = self.sizes[instrument]
            amount = min(left, D(part))
            if reduces:
                amount = min(amount, max(D(0), size if side == "sell" else -size))
            self.sizes[instrument] = size + amount if side == "buy" else size - amount
            if left > amount:
                self.orders.append((instrument, side, left - amount, reduces))
        self.tell()

    @rule(which=st.integers(0, 9))
    def cancel(self, which: int) -> None:
        if which < len(self.orders):
            self.orders.pop(which)
        self.tell()

    def tell(self) -> None:
        for instrument, size in self.sizes.items():
            sums = {(side, reduces): D(0) for side in ("buy", "sell") for reduces in (True, False)}
            for name, side, left, reduces in self.orders:
                if name == instrument:
                    sums[side, reduces] += left
            held = Held(
                size=size, buys=sums["buy", False], sells=sums["sell", False], reduce_buys=sums["buy", True],
                reduce_sells=sums["sell", True],
            )  # fmt: skip
            count = sum(name == instrument for name, *_ in self.orders)
            self.book.exposure.set(Place("main", "grid", instrument), held, count)

    @invariant()
    def holds(self) -> None:
        assert abs(self.sizes[BTC]) <= 5  # 550 at 100
        assert abs(self.sizes[ETH]) <= 6
        assert abs(self.sizes[BTC]) * 100 + abs(self.sizes[ETH]) * 10 <= 900
        assert abs(self.sizes[BTC] * 100 + self.sizes[ETH] * 10) <= 800
        assert len(self.orders) <= 5
        assert self.book.breaches() == []


WorstCase.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestWorstCase = WorstCase.TestCase
