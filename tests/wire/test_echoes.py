"""What two connections tell of one account passes once."""

from decimal import Decimal

import pytest

from tapeline.model.account import AccountEvent, Balance, Fill, Payment
from tapeline.wire.private import echoes
from tapeline.wire.private.echoes import Echoes


def balance(total: str, received_ns: int = 1) -> Balance:
    return Balance(None, "balances", received_ns, received_ns, "ws", "main", currency="USDT", total=Decimal(total))


def fill(number: str) -> Fill:
    return Fill("toy:A/X", "fills", None, 1, "ws", "main", id=number, client_id="t", venue_id="v", side="buy",
                price=Decimal(1), size=Decimal(1))  # fmt: skip


def passed(of: Echoes, *told: tuple[str, AccountEvent]) -> list[AccountEvent]:
    return [event for who, event in told if of.news(event, who)]


def test_one_connection_alone_says_what_it_says() -> None:
    one = Echoes()
    assert passed(one, ("a", balance("5")), ("a", balance("5")), ("b", balance("5"))) == [balance("5")] * 3


def test_what_both_tell_passes_once_whoever_is_ahead_and_whenever_it_was_received() -> None:
    both = Echoes()
    both.on = True
    told = [("a", fill("1")), ("a", fill("2")), ("b", fill("1")), ("b", fill("2")), ("b", fill("3")), ("a", fill("3"))]
    assert [event.id for event in passed(both, *told) if isinstance(event, Fill)] == ["1", "2", "3"]
    assert passed(both, ("a", balance("5", 7)), ("b", balance("5", 9))) == [balance("5", 7)]


def test_what_the_venue_says_twice_passes_twice() -> None:
    both = Echoes()
    both.on = True
    sequence = [balance("100"), balance("90"), balance("100")]
    told = [*(("a", each) for each in sequence), *(("b", each) for each in sequence)]
    assert passed(both, *told) == sequence
    again = Echoes()
    again.on = True
    told = [("a", sequence[0]), ("b", sequence[0]), ("b", sequence[1]), ("b", sequence[2]), ("a", sequence[1]),
            ("a", sequence[2])]  # fmt: skip
    assert passed(again, *told) == sequence


def test_a_payment_without_an_id_is_one_payment() -> None:
    both = Echoes()
    both.on = True
    paid = [
        Payment(None, "payments", at_ns, 5, "ws", "main", id="", currency="USDT", amount=Decimal(-3), kind="funding")
        for at_ns in (10, 11)
    ]
    assert passed(both, ("a", paid[0]), ("b", paid[1])) == [paid[0]]


def test_once_one_is_left_all_is_forgotten_and_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    both = Echoes()
    both.on = True
    assert passed(both, ("a", fill("1"))) == [fill("1")]
    both.forget()
    assert not both.on
    assert passed(both, ("b", fill("1"))) == [fill("1")]
    monkeypatch.setattr(echoes, "MOST", 2)
    both.on = True
    assert len(passed(both, ("a", fill("1")), ("a", fill("2")), ("a", fill("3")))) == 3
    assert passed(both, ("b", fill("3")), ("b", fill("1"))) == [fill("1")], "the first of them was forgotten"
