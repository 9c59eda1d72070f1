"""A line of the ledger, and what a fill does to it."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from account_fixtures import fill
from tapeline.model.instrument import Instrument
from tapeline.trading.accounting.lines import Line, Wallet, add, effect, settle_of, unsupported, worth
from tapeline.trading.accounting.lots import Lots

D = Decimal
SPOT = Instrument(venue="v", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT")
SWAP = msgspec.structs.replace(
    SPOT, symbol="BTC/USDT:USDT", kind="perpetual", settle="USDT", size_unit="contract", contract_size=D("0.1")
)


def test_what_a_line_has_won_is_less_its_fees_and_with_its_funding() -> None:
    line = Line(Lots("average"))
    line.trade(D(2), D(20))
    line.trade(D(-1), D(15))
    line.fee("USDT", D("0.5"), D(1))
    line.fee("BNB", D(1), None)
    line.fee("BTC", D(1), D(0))
    line.fund(D("-0.25"))

    assert (line.gross, line.net, line.funding) == (D(5), D("4.25"), D("-0.25"))
    assert (line.fees, line.unrated) == ({"USDT": D("0.5"), "BNB": D(1), "BTC": D(1)}, {"BNB": D(1)})


def test_a_copy_changes_by_itself() -> None:
    line, wallet = Line(Lots("fifo")), Wallet(SWAP)
    line.trade(D(2), D(20))
    wallet.lots.trade(D(2), D(20))
    other, purse = line.copy(), wallet.copy()
    other.trade(D(-2), D(30))
    other.fee("USDT", D(1), None)
    purse.lots.trade(D(-1), D(30))

    assert (line.lots.size, line.net, line.fees, wallet.lots.size) == (D(2), D(0), {}, D(2))
    assert (other.lots.size, other.net, purse.lots.size) == (D(0), D(10), D(1))


@pytest.mark.parametrize(
    ("side", "fee", "currency", "expected"),
    [
        ("buy", "0.1", "USDT", ("2", "20", "0")),
        ("buy", "0.1", "BTC", ("1.9", "20", "0")),
        ("sell", "0.1", "BTC", ("-2.1", "20", "0")),
        ("buy", "2", "BTC", ("2", "20", "-2")),
        ("sell", "-3", "BTC", ("-2", "20", "3")),
        ("buy", None, "", ("2", "20", "0")),
    ],
)
def test_what_a_fill_does(side: str, fee: str | None, currency: str, expected: tuple[str, ...]) -> None:
    news = fill("1", "", "2", "10", side=side, fee=fee, fee_currency=currency)

    assert effect(news, SPOT) == tuple(map(D, expected))


def test_contracts_are_worth_their_base() -> None:
    assert effect(fill("1", "", "2", "10", fee="1", fee_currency="BTC"), SWAP) == (D(2), D(2), D(0))


@pytest.mark.parametrize(
    ("changes", "word"),
    [({}, ""), ({"inverse": True}, "inverse"), ({"settle": "BTC"}, "settles"), ({"kind": "option"}, "options")],
)
def test_what_is_kept(changes: dict[str, Any], word: str) -> None:
    reason = unsupported(msgspec.structs.replace(SWAP, **changes))

    assert (word in reason) if word else not reason
    assert not unsupported(SPOT)


def test_sums_and_worths() -> None:
    amounts = {"A": D(1)}
    add(amounts, "A", D(2))
    add(amounts, "B", D(3))

    assert amounts == {"A": D(3), "B": D(3)}
    assert worth(D("0.1"), D("0.2")) == D("0.02")
    assert worth(D(1), D("0.1234567890123456785")) == D("0.123456789012345678")
    assert (settle_of(SPOT), settle_of(SWAP), settle_of(msgspec.structs.replace(SWAP, settle=""))) == ("USDT",) * 3


def test_what_is_put_right_wins_nothing_and_what_opens_costs_its_share() -> None:
    line = Line(Lots("average"))
    line.trade(D(2), D(20))
    line.give(D(-1), D(15))
    assert (line.lots.size, line.lots.cost, line.gross) == (D(1), D(10), D(0))
    line.give(D(-4), D(60))
    assert (line.lots.size, line.lots.cost, line.gross) == (D(-3), D(45), D(0))
    line.give(D(-1), D(7))
    assert (line.lots.size, line.lots.cost) == (D(-4), D(52))
