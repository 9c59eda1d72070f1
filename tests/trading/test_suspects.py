"""What explains a difference, and what is only likely."""

from decimal import Decimal

from account_fixtures import A, fill
from tapeline.model.instrument import Instrument
from tapeline.trading.accounting.ledger import Ledger
from tapeline.trading.suspects import OPENING, Suspects

D = Decimal
SPOT = Instrument(venue="v", symbol="BTC/USDT", native="B", kind="spot", base="BTC", quote="USDT")


def suspects(ledger: Ledger | None = None, *, first: bool = False, accepted: str = "", reason: str = "") -> Suspects:
    return Suspects(ledger or Ledger(), A, {"USDT": [reason]}, first=first, accepted=accepted)


def test_a_beginning_and_a_person_explain_all() -> None:
    differences = {"USDT": D(5)}

    assert suspects(first=True).balance("USDT", differences) == (OPENING, True, False)
    assert suspects(accepted="me: mine").balance("USDT", differences) == ("accepted by me: mine", True, False)
    assert suspects(first=True).position(SPOT, D(1)) == (OPENING, True)
    assert not suspects().position(SPOT, D(1))[1]


def test_the_venue_s_word_counts_where_it_is_no_trade() -> None:
    differences = {"USDT": D(5)}

    assert suspects(reason="funding").balance("USDT", differences)[1]
    assert not suspects(reason="fill").balance("USDT", differences)[1]
    assert suspects(reason="").balance("USDT", {"USDT": D("-1E-8")}) == ("rounding", True, False)


def test_fees_are_small_and_paid() -> None:
    ledger = Ledger()
    ledger.apply(fill("1", "", "2", "100", fee=None), SPOT)
    of = suspects(ledger)

    assert of.balance("USDT", {"USDT": D("-2")}) == ("fees of 1 fills that came without", True, True)
    assert not of.balance("USDT", {"USDT": D("-2.01")})[1]
    assert not of.balance("USDT", {"USDT": D("0.1")})[1]
    assert of.balance("BTC", {"BTC": D("-0.02")})[2]
    assert not of.balance("BNB", {"BNB": D("-0.01")})[1], "nobody knows what it is worth"
    ledger.mark("v:BNB/USDT:USDT", D(200))
    assert of.balance("BNB", {"BNB": D("-0.01")})[2]


def test_two_that_moved_against_each_other_at_the_market_look_like_a_trade() -> None:
    ledger = Ledger()
    ledger.mark("v:BTC/USDT", D(100))
    of = suspects(ledger)
    sold = {"BTC": D(-1), "USDT": D(104), "ETH": D(0)}

    assert of.balance("BTC", sold) == ("looks like 1 BTC sold for USDT by hand; no fill tells of it", False, False)
    assert of.balance("USDT", sold)[0].startswith("looks like 1 BTC sold")
    assert of.balance("BTC", {"BTC": D(-1), "USDT": D(106)})[0] == "-1 BTC that nothing tells of"
    assert of.balance("BTC", {"BTC": D(1), "USDT": D(100)})[0] == "1 BTC that nothing tells of"
