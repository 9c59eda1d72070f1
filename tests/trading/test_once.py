"""Each fill once."""

from account_fixtures import fill
from tapeline.trading.accounting.once import NEAR_NS, Once


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


def test_what_is_stamped_before_a_line_is_known_remembered_or_not() -> None:
    once, line_ns = Once(), 10 * NEAR_NS
    old, near, new = (
        fill(name, "c", at_ns=at_ns) for name, at_ns in (("1", 1), ("2", line_ns - NEAR_NS), ("3", line_ns))
    )
    other = fill("1", "c", at_ns=1, account="other")
    for each in (old, near, new, other):
        once.offer(each)
    once.forget("main", line_ns)
    once.forget("main", 5)  # an older line moves nothing back

    assert (once.count("main"), once.count("other")) == (2, 1)
    assert [once.holds("main", old.instrument, each.id, each.side) for each in (old, near, new)] == [False, True, True]
    assert once.brings(fill("9", "c", at_ns=line_ns - 1)) == "known", "its age says so"
    assert once.brings(fill("9", "c", at_ns=line_ns)) == "new"
    assert once.brings(fill("9", "c", at_ns=1, account="other")) == "new"


def test_a_place_of_which_nothing_is_remembered_is_gone() -> None:
    once = Once()
    once.offer(fill("1", "c", at_ns=1))
    once.forget("main", 10 * NEAR_NS)

    assert once.count("main") == 0
    assert once.of([fill("1", "c", at_ns=1)]).brings(fill("1", "c", at_ns=1)) == "known"
