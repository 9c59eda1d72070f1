"""What others do to strategies' holdings: it is in their positions, they hear of it once, and the journal says so."""

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from engine_fixtures import BTC, PERP, SECOND, Bench
from tapeline.model.account import Fill, Payment
from tapeline.model.limits import RiskLimits
from tapeline.trading.accounting.allotment import NOBODY
from tapeline.trading.accounting.ledger import Adjustment, Ledger
from tapeline.trading.client_ids import slice_id
from tapeline.trading.command import Note
from tapeline.trading.input import Halted, Reduced
from tapeline.trading.orders import Blotter
from tapeline.trading.record import Entry, Listed, decode, encode
from tapeline.trading.restore import restore
from tapeline.trading.risk.limits import Tables
from tapeline.trading.strategy import Strategy

D = Decimal
STOP = slice_id(1_700_000_000_000_000_000, 1)


class Ears(Strategy):
    instruments = (BTC.id, PERP.id)

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.lost: list[Reduced] = []

    def on_reduced(self, reduced: Reduced) -> None:
        assert self.position(reduced.instrument) == reduced.left, "positions are as they are told"
        self.lost.append(reduced)


def by_others(bench: Bench, size: str, price: str = "100", *, of: str = PERP.id, **more: Any) -> list[str]:
    """Somebody else sells this; what the journal notes of it."""
    given: dict[str, Any] = {
        "client_id": "web1",
        "venue_id": "9",
        "fee": D(0),
        "fee_currency": "USDT",
        "side": "sell",
    } | more
    news = Fill(
        of, "fills", bench.now_ns, bench.now_ns, "ws", "main", id=f"x{bench.now_ns}", price=D(price), size=D(size),
        **given,
    )  # fmt: skip
    return [each.text for each in bench.step(news) if isinstance(each, Note) and each.kind == "reduced"]


def test_what_an_emergency_stop_sells_the_strategy_holds_no_more() -> None:
    ears = Ears(name="s")
    bench = Bench(ears)
    bench.hold("2", of=PERP)
    said = by_others(bench, "1.5", "90", client_id=STOP)
    assert said == [f"1.5 {PERP.id} of s closed by an emergency stop, at 90: 0.5 is left"]
    assert ears.position(PERP.id) == D("0.5")
    by_others(bench, "0.5", "80", client_id=STOP)
    assert ears.positions == {}
    assert [(each.size, each.left, each.price) for each in ears.lost] == [
        (D("-1.5"), D("0.5"), D(90)), (D("-0.5"), D(0), D(80)),
    ]  # fmt: skip
    assert ears.close(PERP.id) is None, "there is nothing to sell again"
    assert bench.engine.situation.ledger.holding("main", PERP.id, strategy="s").gross == D("-25")


def test_a_strategy_hears_of_nothing_that_is_not_its_own() -> None:
    ears, other = Ears(name="s"), Ears(name="other")
    bench = Bench(ears, other)
    bench.hold("2", of=PERP)
    assert by_others(bench, "1", side="buy") == []
    assert by_others(bench, "1") == [], "what they bought themselves"
    assert by_others(bench, "1", origin="liquidation") == [f"1 {PERP.id} of s closed by liquidation, at 100: 1 is left"]
    assert by_others(bench, "1") == [f"1 {PERP.id} of s closed by a trade that no strategy made, at 100: 0 is left"]
    assert (len(ears.lost), other.lost) == (2, [])


def test_a_figure_that_is_put_right_is_told_with_its_reason() -> None:
    ears = Ears(name="s")
    bench = Bench(ears, limits=Tables(every=RiskLimits(max_position=D(2))))
    bench.hold("2", of=PERP)
    adjustment = Adjustment(
        account="main", ours=D(2), theirs=D(0), why="", explained=False, at_ns=SECOND, instrument=PERP.id
    )
    bench.engine.situation.ledger.adjust(adjustment, PERP)
    bench.step(adjustment)
    assert [(each.size, each.price, each.why) for each in ears.lost] == [
        (D(-2), None, "the venue's figure: nothing explains it")
    ]
    assert ears.buy(PERP.id, 2).state == "intended", "risk counts nothing of it any more"
    bench.step(Adjustment(account="main", ours=D(0), theirs=D(2), why="", explained=True, at_ns=1, currency="USDT"))
    assert len(ears.lost) == 1


def test_after_a_restart_it_finds_it_in_its_positions_and_is_not_told_again() -> None:
    bench = Bench(Ears(name="s"))
    bench.hold("2", of=PERP)
    by_others(bench, "1", client_id=STOP)
    situation = bench.engine.situation
    ears = Ears(name="s")
    again = Bench(ears, blotter=situation.blotter, ledger=situation.ledger)
    assert ears.position(PERP.id) == 1
    again.now_ns = bench.now_ns + SECOND
    by_others(again, "1", client_id=STOP)
    assert [(each.size, each.left) for each in ears.lost] == [(D(-1), D(0))]


def test_a_stop_is_known_by_its_order_where_the_fill_has_the_venues_number_only() -> None:
    ears = Ears(name="s")
    bench = Bench(ears)
    bench.step(
        Payment(None, "payments", 1, 1, "ws", "main", id="1", currency="BTC", amount=D(9), kind="transfer")
    )  # fmt: skip
    bench.hold("2")
    bench.told(STOP, "open", venue_id="77", side="sell", size=D(1))
    by_others(bench, "1", of=BTC.id, client_id="", venue_id="78")
    assert ears.lost == [], "the wallet has enough of it"
    by_others(bench, "1", of=BTC.id, client_id="", venue_id="77")
    assert [(each.size, each.why) for each in ears.lost] == [(D(-1), "an emergency stop, at 100")]


def test_of_an_account_that_was_left_flat_no_strategy_holds_anything() -> None:
    ears, other = Ears(name="s"), Ears(name="other")
    bench = Bench(ears, other, limits=Tables(every=RiskLimits(max_position=D(3))))
    by_others(bench, "2", side="buy")
    bench.price("90", PERP)
    order = ears.sell(PERP.id, 2)
    bench.fill(order.client_id, "2", "95")
    assert ears.position(PERP.id) == -2
    flat = bench.engine.priced(Halted("main", "flat", "flattener: verified with the venue", SECOND))
    assert flat.prices == {PERP.id: D(90)}
    said = [each.text for each in bench.step(flat) if isinstance(each, Note) and each.kind == "reduced"]
    assert said == [f"2 {PERP.id} of s closed by an emergency stop that left the account flat: 0 is left"]
    assert [(each.size, each.left, each.price) for each in ears.lost] == [(D(2), D(0), D(90))]
    assert (ears.positions, other.lost) == ({}, [])
    assert bench.engine.priced(flat).prices == {}, "of what nobody holds no price is asked"
    late = by_others(bench, "1", side="buy")
    bench.fill(order.client_id, "1", "95")
    assert (late, len(ears.lost)) == ([], 2), "a fill of before, told now: others hold against it"
    halted = Halted("main", "halted", "ann", SECOND)
    assert bench.engine.priced(halted) is halted
    bench.step(Halted("main", "running", "ann", SECOND))
    assert ears.buy(PERP.id, 3).state == "intended", "risk counts nothing of it any more"


def test_the_journal_gives_the_same_lines_again() -> None:
    bench = Bench(Ears(name="s"))
    records: list[Any] = [Listed(PERP, 1)]
    step = bench.step

    def kept(event: Any) -> Any:
        commands = step(event)
        records.extend([event] if isinstance(event, Fill | Halted) else [])
        records.extend(commands)
        return commands

    bench.step = kept  # type: ignore[method-assign]  # what goes in is written down
    bench.price("100", PERP)
    order = bench.strategy.buy(PERP.id, 2)
    bench.price("100", PERP)
    bench.fill(order.client_id, "2")
    by_others(bench, "1", "90", client_id=STOP)
    by_others(bench, "2", "80")
    adjustment = Adjustment(
        account="main", ours=D(-1), theirs=D(0), why="", explained=True, at_ns=9, instrument=PERP.id
    )
    records.append(adjustment)
    ledger = bench.engine.situation.ledger
    ledger.adjust(adjustment, PERP)
    by_others(bench, "2", "85", side="buy")
    other = bench.strategy.sell(PERP.id, 2)
    bench.fill(other.client_id, "2")
    bench.step(bench.engine.priced(Halted("main", "flat", "ann", SECOND)))
    entries = [
        Entry(number, decode(encode(each)), encode(each).decode(), number) for number, each in enumerate(records)
    ]
    again = restore(entries, "test", 99)
    assert again.problems == []
    for strategy in (None, "s", NOBODY):
        held = ledger.holding("main", PERP.id, strategy=strategy)
        assert again.ledger.holding("main", PERP.id, strategy=strategy) == held
    assert ledger.holding("main", PERP.id, strategy="s").size == 0
    assert ledger.holding("main", PERP.id, strategy="s").gross == -30


def test_what_cannot_be_booked_is_noted() -> None:
    bench = Bench(blotter=Blotter("test"), ledger=Ledger())
    fill = Fill(
        "sim:NEW/USDT", "fills", 1, 1, "ws", "main", id="1", client_id="", venue_id="", side="buy", price=D(1),
        size=D(1), fee=D(1), fee_currency="BNB",
    )  # fmt: skip
    notes = [each for each in bench.step(fill) if isinstance(each, Note)]
    assert [(each.kind, each.text) for each in notes] == [("unbooked", "fill 1 of sim:NEW/USDT, which nobody knows")]
    assert bench.engine.fee_mark(fill) is None


def test_a_fee_in_a_third_coin_is_valued_at_the_last_price_of_the_coin() -> None:
    coin = replace(BTC, symbol="BNB/USDT", native="BNBUSDT", base="BNB")
    bench = Bench(instruments=(BTC, PERP, coin))
    bench.price("600", coin)
    fill = Fill(
        PERP.id, "fills", 1, 1, "ws", "main", id="1", client_id="", venue_id="", side="buy", price=D(100), size=D(1),
        fee=D("0.01"), fee_currency="BNB",
    )  # fmt: skip
    assert bench.engine.fee_mark(fill) == (coin.id, D(600))
    assert bench.engine.fee_mark(replace(fill, fee_currency="USDT")) is None
    assert bench.engine.fee_mark(replace(fill, fee_currency="XYZ")) is None
    bench.step(fill)
    assert bench.engine.situation.ledger.holding("main", PERP.id, strategy=NOBODY).realised == -6


def test_what_the_books_do_not_keep_is_noted() -> None:
    option = replace(BTC, symbol="BTC/USDT:USDT-C", native="C", kind="option")
    bench = Bench(instruments=(option,))
    fill = Fill(
        option.id, "fills", 1, 1, "ws", "main", id="1", client_id="", venue_id="", side="buy", price=D(1), size=D(1)
    )
    assert [each.text for each in bench.step(fill) if isinstance(each, Note)] == [
        f"fill 1 of {option.id}: options are not kept in the ledger"
    ]
