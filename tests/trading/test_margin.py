from decimal import Decimal

from exchange_fixtures import PERP, intent

from tapeline.trading.paper.funds import Account, Working
from tapeline.trading.paper.margin import Margin

D = Decimal


def account(*, usdt: str = "100", hedge: bool = False) -> Account:
    return Account("a", {"USDT": D(usdt)}, hedge=hedge, may_trade=True)


def margin(price: str | None = "100") -> Margin:
    return Margin(lambda _name: None if price is None else D(price), D(10), D("0.01"))


def order(
    owner: Account, number: int, side: str, size: str, *, position: str = "net", reduce_only: bool = False
) -> Working:
    wanted = intent(side, size, "100", of=PERP, position=position, reduce_only=reduce_only)
    return Working(owner, str(number), wanted, PERP, number)


def test_what_an_account_may_come_to_hold_binds_margin() -> None:
    one = account()
    one.stake(PERP, "net").trade("buy", D(90), D(20))
    for number, (side, size) in enumerate((("buy", "10"), ("sell", "35"), ("sell", "20"))):
        one.open[str(number)] = order(one, number, side, size)
    one.open["r"] = order(one, 9, "sell", "99", reduce_only=True)
    means = margin().means(one, "USDT")  # at worst 35 short: 350 at 10
    assert (means.unrealised, means.bound, means.maintenance) == (D(20), D(35), D(2))
    assert margin().room(one, "USDT") == D(85)
    assert margin().free(one, "USDT") == D(85)
    assert margin().means(one, "USDT", order(one, 10, "sell", "5")).bound == D(40)
    assert margin().means(one, "EUR").bound == D(0)


def test_an_order_binds_margin_before_there_is_a_position() -> None:
    one = account()
    assert margin().free(one, "USDT") == D(100)
    one.open["1"] = order(one, 1, "buy", "50")
    assert margin().free(one, "USDT") == D(50)
    assert margin("500").free(one, "USDT") == D(0)


def test_in_hedge_mode_closing_orders_bind_nothing() -> None:
    one = account(hedge=True)
    one.stake(PERP, "long").trade("buy", D(100), D(20))
    one.stake(PERP, "short").trade("sell", D(100), D(10))
    one.open["1"] = order(one, 1, "sell", "20", position="long")
    one.open["2"] = order(one, 2, "sell", "5", position="short")
    assert margin().means(one, "USDT").bound == D(35)


def test_profit_that_is_not_realised_is_not_spent() -> None:
    one = account()
    one.stake(PERP, "net").trade("buy", D(50), D(20))
    assert (margin().room(one, "USDT"), margin().free(one, "USDT")) == (D(180), D(100))


def test_an_account_is_beyond_its_means_at_its_liquidation_price_and_not_before() -> None:
    for side in ("buy", "sell"):
        one = account(usdt="50")
        stake = one.stake(PERP, "net")
        stake.trade(side, D(100), D(20))
        level = margin().liquidation_price(one, stake)
        assert level is not None
        step = D("0.00000002") if side == "buy" else D("-0.00000002")
        assert margin(str(level - step)).beyond(one, "USDT")
        assert not margin(str(level + step)).beyond(one, "USDT")
    safe = account(usdt="5000")
    safe.stake(PERP, "net").trade("buy", D(100), D(1))
    assert margin().liquidation_price(safe, safe.stake(PERP, "net")) is None
    assert margin().liquidation_price(safe, safe.stake(PERP, "long")) is None


def test_in_hedge_mode_both_sides_go_with_the_price() -> None:
    for long, short in ((20, 15), (15, 20)):
        one = account(usdt="5", hedge=True)
        one.stake(PERP, "long").trade("buy", D(100), D(long))
        one.stake(PERP, "short").trade("sell", D(100), D(short))
        levels = {margin().liquidation_price(one, stake) for stake in one.stakes.values()}
        (level,) = levels
        assert level is not None
        assert (level < 100) is (long > short)
        step = D("0.0001") if long > short else D("-0.0001")
        assert margin(str(level - step)).beyond(one, "USDT")
        assert not margin(str(level + step)).beyond(one, "USDT")
    even = Margin(lambda _name: D(100), D(10), D(0))
    one = account(hedge=True)
    one.stake(PERP, "long").trade("buy", D(100), D(20))
    one.stake(PERP, "short").trade("sell", D(100), D(20))
    assert even.liquidation_price(one, one.stake(PERP, "long")) is None, "no price harms it"


def test_without_a_mark_a_position_is_worth_what_it_cost() -> None:
    one = account()
    stake = one.stake(PERP, "net")
    stake.trade("buy", D(90), D(20))
    assert margin(None).price(stake) == D(90)
    assert margin(None).means(one, "USDT").unrealised == D(0)
