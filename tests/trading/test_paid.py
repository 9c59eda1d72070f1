"""Each payment once, with and without an id."""

from decimal import Decimal

from msgspec.structs import replace

from account_fixtures import A
from tapeline.model.account import Payment
from tapeline.trading.accounting.once import NEAR_NS
from tapeline.trading.accounting.paid import Paid


def payment(name: str = "", amount: str = "1", at_ns: int | None = 0, received_ns: int = 0) -> Payment:
    return Payment(
        None, "payments", at_ns, received_ns, "ws", A, id=name, currency="USDT", amount=Decimal(amount), kind="funding"
    )


def test_an_id_is_news_once() -> None:
    paid = Paid()

    assert [paid.offer(payment(name)) for name in ("1", "1", "2", "1")] == [True, False, True, False]


def test_a_stream_s_word_and_a_list_s_are_one_payment_in_either_order() -> None:
    paid = Paid()
    offered = [
        paid.offer(each)
        for each in (
            payment(), payment("1", at_ns=NEAR_NS), payment("1"), payment("2"), payment(at_ns=None, received_ns=5),
            payment(at_ns=1), payment(at_ns=2), payment("3"), payment("4"), payment("5"),
        )
    ]  # fmt: skip

    assert offered == [True, False, False, True, False, True, True, False, False, True]


def test_what_a_stream_tells_twice_with_one_stamp_is_one_payment_whatever_came_between() -> None:
    paid = Paid()
    first = [paid.offer(each) for each in (payment(), payment(), payment("1"), payment(), payment("2"), payment("3"))]
    assert first == [True, False, False, False, True, True], "a second one of the list is booked by its id"

    listed = Paid()
    assert [listed.offer(each) for each in (payment("1"), payment(), payment())] == [True, False, False]
    assert not listed.copy().offer(payment())


def test_what_a_stream_tells_of_another_moment_or_instrument_is_another() -> None:
    paid, swap = Paid(), replace(payment(), instrument="v:BTC/USDT:USDT")
    assert [paid.offer(each) for each in (payment(), payment(at_ns=1), swap, swap)] == [True, True, True, False]
    unstamped = payment(at_ns=None)
    assert [Paid().offer(unstamped), paid.offer(unstamped), paid.offer(unstamped)] == [True, True, True]


def test_what_is_not_alike_or_not_near_is_another() -> None:
    paid = Paid()
    offered = [paid.offer(each) for each in (payment(), payment("1", "2"), payment("2", at_ns=NEAR_NS + 1))]

    assert offered == [True, True, True]


def test_a_copy_learns_by_itself() -> None:
    paid = Paid()
    paid.offer(payment("1"))
    other = paid.copy()

    assert (other.offer(payment("1")), other.offer(payment("2")), paid.offer(payment("2"))) == (False, True, True)
