from decimal import Decimal

from exchange_fixtures import PERP, SPOT, intent

from tapeline.model.instrument import Instrument
from tapeline.trading.paper.booking import book, cost, lacks, needed, relock, total_of
from tapeline.trading.paper.fees import Fees
from tapeline.trading.paper.funds import Account, Working

D = Decimal
FEES = Fees(maker=D("0.01"), taker=D("0.02"), paid_in="quote")


def order(side: str, size: str, price: str | None = None, *, of: Instrument = SPOT, **more: object) -> Working:
    account = Account("a", {"USDT": D(1000), "BTC": D(5)}, hedge=False, may_trade=True)
    return Working(account, "1", intent(side, size, price, of=of, **more), of, 1)


def test_a_fill_moves_money_and_the_lock_follows() -> None:
    one = order("buy", "4", "100")
    relock(one, FEES)
    wallet = one.account.wallet("USDT")
    assert (wallet.locked, wallet.free) == (D(408), D(592))
    fill = book(one, D(100), D(1), "maker", fees=FEES, fill_id="9", now_ns=7)
    assert (fill.id, fill.fee, fill.fee_currency, fill.realised, fill.at_ns) == ("9", D(1), "USDT", None, 7)
    assert (wallet.total, wallet.locked, wallet.free) == (D(899), D(306), D(593))
    assert one.account.wallet("BTC").total == D(6)
    assert (one.filled, one.value, one.account.fills) == (D(1), D(100), [fill])
    one.state = "cancelled"
    relock(one, FEES)
    assert wallet.locked == D(0)


def test_a_fill_of_a_contract_realises_and_names_the_position() -> None:
    one = order("sell", "5", of=PERP)
    one.account.stake(PERP, "net").trade("buy", D(90), D(5))
    fill = book(one, D(100), D(5), "taker", fees=FEES, fill_id="1", now_ns=1)
    assert (fill.realised, fill.fee) == (D(5), D(1))
    assert one.account.wallet("USDT").total == D(1004)
    assert list(one.account.moved) == [(PERP.id, "net")]


def test_what_orders_need_and_cost() -> None:
    assert needed(order("sell", "3", "100"), FEES) == D(3)
    assert needed(order("buy", "3"), FEES) == D(0)
    assert needed(order("buy", "3", kind="stop", stop_price=D(50)), FEES) == D(153)
    assert cost(order("sell", "3"), [(D(9), D(1)), (D(8), D(2))], FEES) == D(3)
    assert cost(order("buy", "3"), [(D(9), D(1)), (D(8), D(2))], Fees()) == D(25)
    refusal = lacks(order("buy", "3"), D("20.50"), D(1))
    assert (str(refusal), refusal.reason) == ("it takes 20.5 USDT, and 1 are free", "balance")
    assert total_of([D("0.1"), D("0.2")]) == D("0.3")
