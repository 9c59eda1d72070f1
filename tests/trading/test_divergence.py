from decimal import Decimal

from tapeline.model.account import AccountEvent, Balance, Fill, OrderUpdate
from tapeline.trading.divergence import divergence

D = Decimal
NAME = "toy:BTC/USDT"


def update(name: str, state: str, at_ns: int, side: str = "buy", size: str = "2") -> OrderUpdate:
    return OrderUpdate(
        NAME, "orders", at_ns, at_ns, "ws", "a", client_id=name, venue_id="1", state=state, side=side, size=D(size)
    )


def fill(  # noqa: PLR0917  # a row of a table
    name: str, number: str, price: str, size: str, at_ns: int, liquidity: str = "taker", side: str = "buy"
) -> Fill:
    return Fill(
        NAME, "fills", at_ns, at_ns, "ws", "a", id=number, client_id=name, venue_id="1", side=side, price=D(price),
        size=D(size), liquidity=liquidity,
    )  # fmt: skip


PAPER: list[AccountEvent] = [
    update("x", "open", 10), fill("x", "1", "100", "1", 12), fill("x", "2", "102", "1", 13), update("x", "filled", 13),
    update("y", "open", 20, "sell"), fill("y", "3", "110", "2", 25, "maker", "sell"), update("y", "filled", 25, "sell"),
    update("z", "open", 30), update("w", "open", 40), update("only", "open", 50),
    Balance(None, "balances", 1, 1, "ws", "a", currency="USDT"),
]  # fmt: skip
LIVE: list[AccountEvent] = [
    update("x", "open", 10), fill("x", "7", "102", "1", 18), fill("x", "7", "102", "1", 18),
    update("x", "cancelled", 19), update("y", "cancelled", 20, ""), update("z", "open", 30),
    fill("z", "8", "99", "1", 31), update("w", "open", 40),
]  # fmt: skip


def test_orders_that_both_know_are_compared() -> None:
    report = divergence(PAPER, LIVE, {"x": 8})
    rows = {row.client_id: row for row in report.orders}
    assert list(rows) == ["x", "y", "z", "w"]
    x, y = rows["x"], rows["y"]
    assert (x.paper.price, x.live.price, x.worse) == (D(101), D(102), D(1))
    assert (x.paper.delay_ns, x.live.delay_ns, x.live.filled, x.live.state) == (4, 10, D(1), "cancelled")
    assert (y.side, y.paper.taken, y.live.price, y.worse) == ("sell", D(0), None, None)
    assert (report.both, report.only_paper, report.only_live) == (1, 1, 1)
    assert report.cost == {NAME: D(1)}
    assert report.fill_ratio == D("0.5")
    assert report.delay_ns == 6


def test_a_sale_at_a_lower_price_is_worse() -> None:
    paper: list[AccountEvent] = [update("y", "filled", 1, "sell"), fill("y", "1", "110", "2", 2, side="sell")]
    live: list[AccountEvent] = [update("y", "filled", 1, "sell"), fill("y", "1", "109.5", "2", 2, side="sell")]
    report = divergence(paper, live)
    assert (report.orders[0].worse, report.cost) == (D("0.5"), {NAME: D("1.0")})


def test_nothing_in_common_is_nothing_to_say() -> None:
    report = divergence(PAPER, [])
    assert (report.orders, report.fill_ratio, report.delay_ns, report.cost) == ([], None, None, {})
