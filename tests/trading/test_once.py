"""Each fill once."""

from account_fixtures import fill

from tapeline.trading.accounting.once import Once


def test_a_fill_is_new_once_and_its_fee_is_news_once() -> None:
    once = Once()
    offered = [once.offer(fill("1", "c", fee=fee)) for fee in (None, None, "0.1", None, "0.1")]

    assert offered == ["new", "known", "fee", "known", "known"]


def test_fills_are_told_apart_by_account_instrument_and_side() -> None:
    once = Once()
    several = [
        fill("1", "c"),
        fill("1", "c", side="sell"),
        fill("1", "c", account="other"),
        fill("1", "c", instrument="v:E"),
    ]

    assert [once.offer(each) for each in several] == ["new"] * 4
    assert all(each in once for each in several)
    assert fill("2", "c") not in once


def test_a_fee_that_is_accounted_for_is_no_news() -> None:
    once = Once()
    bare = fill("1", "c", fee=None)
    once.offer(bare)
    asked = once.brings(fill("1", "c"))
    other = once.of([bare, fill("2", "c")])
    once.settle(bare)

    assert (asked, once.brings(fill("1", "c")), other.brings(fill("1", "c"))) == ("fee", "known", "fee")
    assert other.brings(fill("2", "c")) == "new"
