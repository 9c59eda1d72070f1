"""What of a repair's findings is news, and how long its errand is."""

from decimal import Decimal
from typing import Any, cast

import pytest

from tapeline.app.repair_job import Job, length, news, stamp
from tapeline.model.event import Bar, Trade
from tapeline.model.fact import Fact, Stretch
from tapeline.sync.places import NOT_GIVEN
from tapeline.sync.plan import Errand

BTC = "binance:BTC/USDT"
ONE = Decimal(1)
NUMBERED = Errand(BTC, "trades", (Stretch(10, 20, first=1, last=2), Stretch(30, 35, first=5, last=5)))
BY_TIME = Errand(BTC, "trades", (Stretch(10, 20),))


def job(errand: Errand, **more: Any) -> Job:
    outside: dict[str, Any] = dict.fromkeys(("desk", "call", "instrument"), cast("Any", None))  # nothing here asks them
    return Job(errand=errand, began_at=0.0, **outside, **more)


def fact(state: str, why: str = "") -> Fact:
    return Fact(BTC, "trades", 10, 20, state, "ids", "rest", why, 99)


FOUND = [fact("proven"), fact("repaired"), fact("unrecoverable", NOT_GIVEN), fact("unrecoverable", "too old")]


@pytest.mark.parametrize("of", [job(NUMBERED), job(BY_TIME, doubt=True), job(BY_TIME)])
def test_of_a_hole_all_that_was_found_is_news(of: Job) -> None:
    assert not of.unseen
    assert list(news(of, FOUND)) == FOUND


@pytest.mark.parametrize(
    ("delivered", "states"),
    [(0, ["disputed", "unrecoverable"]), (1, ["proven", "repaired", "disputed", "unrecoverable"])],
)
def test_of_an_outage_over_which_numbers_follow_only_what_was_missed_is(delivered: int, states: list[str]) -> None:
    of = job(NUMBERED, doubt=True, delivered=delivered)
    assert of.unseen
    assert [each.state for each in news(of, FOUND)] == states


def test_the_length_of_an_errand_is_that_of_its_holes() -> None:
    assert (length(NUMBERED), length(BY_TIME)) == (15, 10)


def test_when_a_row_was() -> None:
    prices = ONE, ONE, ONE, ONE
    assert stamp(Trade(BTC, "trades", 7, 9, "rest", "1", 1, "buy", ONE, ONE)) == 7
    assert stamp(Trade(BTC, "trades", None, 9, "rest", "1", 1, "buy", ONE, ONE)) == 9
    assert stamp(Bar(BTC, "bars:1m", 8, 9, "rest", "1m", 3, *prices, ONE, None, None, None, None, None, True)) == 3
