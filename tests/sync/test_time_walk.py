"""Aggregated trades by time and by id: every kind of page a venue may answer, and what is proven in the end."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from walking import START_NS, Mischief, gone_through, seconds, trade

from tapeline.sync.time_walk import TimeWalk
from tapeline.sync.walk import Finding, Row
from tapeline.venues.spec import Ask

TRADES = [trade(100 + number, number * 10) for number in range(60)]  # one each ten seconds
BUSY = [trade(100 + number, number / 10) for number in range(60)]
LOST = "asked twice: the venue does not have it"
ALL = seconds(0, 600)


def walk(
    span: tuple[int, int] = ALL, *, window_s: float | None = 60, page: int = 10, after_id: int | None = None
) -> TimeWalk:
    window_ns = None if window_s is None else int(window_s * 1e9)
    return TimeWalk("aggtrades", "X", span, page, window_ns=window_ns, after_id=after_id)


def test_windows_of_time_while_few_trade() -> None:
    one = walk()
    found, asked = gone_through(one, TRADES)
    assert found == TRADES
    assert asked[:2] == [
        Ask("aggtrades", "X", from_ns=seconds(0, 60)[0], to_ns=seconds(0, 60)[1], limit=10),
        Ask("aggtrades", "X", from_ns=seconds(60, 120)[0], to_ns=seconds(60, 120)[1], limit=10),
    ]
    assert [ask.from_id for ask in asked] == [None] * 10 + [160]  # the end is confirmed
    assert one.findings() == [Finding(*ALL, "proven", "ids", "", 100, 159)]
    assert one.part == 1.0


def test_on_from_the_last_id_while_many_do() -> None:
    one = walk(seconds(0, 4), window_s=None)
    found, asked = gone_through(one, BUSY)
    assert found == BUSY[:40]
    assert [ask.from_id for ask in asked] == [None, 110, 120, 130, 140]
    assert one.findings() == [Finding(*seconds(0, 4), "proven", "ids", "", 100, 139)]


def test_the_present_ends_it_after_one_more_question() -> None:
    one = walk(seconds(0, 100), window_s=None)
    found, asked = gone_through(one, BUSY)
    assert found == BUSY
    assert [ask.from_id for ask in asked] == [None, 110, 120, 130, 140, 150, 160, 160]
    assert one.findings() == [Finding(*seconds(0, 100), "proven", "ids", "", 100, 159)]


def unordered(_number: int, rows: list[Row]) -> Sequence[Row]:
    return random.Random(3).sample(rows, len(rows))


def overlapping(_number: int, rows: list[Row]) -> Sequence[Row]:
    return [*TRADES[:10], *rows]


def empty_at_times(number: int, rows: list[Row]) -> Sequence[Row]:
    return [] if number in {2, 9, 10} else rows


def one_short(number: int, rows: list[Row]) -> Sequence[Row]:
    return rows[:-1] if number in {0, 9} else rows


def short_in_the_middle(number: int, rows: list[Row]) -> Sequence[Row]:
    return rows[:2] + rows[4:] if number == 3 else rows


@pytest.mark.parametrize("mischief", [unordered, overlapping, empty_at_times, one_short, short_in_the_middle])
def test_a_page_may_be_anything_but_false(mischief: Mischief) -> None:
    one = walk()
    found, _ = gone_through(one, TRADES, mischief)
    assert found == TRADES
    assert one.findings() == [Finding(*ALL, "proven", "ids", "", 100, 159)]


def test_an_id_that_the_venue_does_not_have_is_a_hole() -> None:
    one = walk()
    found, _ = gone_through(one, TRADES[:20] + TRADES[23:])
    assert found == TRADES[:20] + TRADES[23:]
    hole = START_NS + 190 * 10**9, START_NS + 230 * 10**9 + 1
    assert one.findings() == [
        Finding(START_NS, hole[0], "proven", "ids", "", 100, 119),
        Finding(*hole, "unrecoverable", "", LOST),
        Finding(hole[1], ALL[1], "proven", "ids", "", 123, 159),
    ]


def test_what_is_lost_at_the_start_is_known_by_the_id_before_it() -> None:
    one = walk(after_id=99)
    assert gone_through(one, TRADES[2:])[0] == TRADES[2:]
    at_ns = START_NS + 20 * 10**9 + 1
    assert one.findings() == [
        Finding(START_NS, at_ns, "unrecoverable", "", LOST), Finding(at_ns, ALL[1], "proven", "ids", "", 102, 159)
    ]  # fmt: skip
    nothing = walk(seconds(0, 60), after_id=99)
    assert [ask.from_id for ask in gone_through(nothing, [])[1]] == [None, 100]
    assert [each.state for each in nothing.findings()] == ["proven"]


def test_no_trades_at_all_are_asked_for_twice() -> None:
    one = walk(seconds(0, 60))
    assert len(gone_through(one, [])[1]) == 2
    assert one.findings() == [Finding(*seconds(0, 60), "proven", "", "asked twice: no trades")]
    empty = walk((5, 5))
    assert (gone_through(empty, TRADES), list(empty.findings())) == (([], []), [])


def test_one_id_with_two_prices_is_disputed() -> None:
    wrong = trade(105, 50, price="11")
    once = walk()
    assert gone_through(once, TRADES, lambda number, rows: [*rows, wrong] if number == 0 else rows)[0] == TRADES
    twice = walk()
    found, _ = gone_through(twice, TRADES, lambda _number, rows: [*rows, wrong] if trade(105, 50) in rows else rows)
    assert found == [row for row in TRADES if row.seq != 105]
    assert [each.state for each in twice.findings()] == ["proven", "disputed", "proven"]
    alone = walk(seconds(50, 55))
    assert gone_through(alone, TRADES, lambda _number, _rows: [trade(105, 50), wrong])[0] == []
    assert [each.state for each in alone.findings()] == ["disputed"]


def test_without_an_answer_nothing_is_said_of_the_rest() -> None:
    one = walk()
    found, _ = gone_through(one, TRADES, lambda number, rows: None if number == 5 else rows)
    assert found == TRADES[:30]
    assert one.findings() == [Finding(START_NS, START_NS + 290 * 10**9, "proven", "ids", "", 100, 129)]
    none = walk()
    gone_through(none, TRADES, lambda _number, _rows: None)
    assert list(none.findings()) == []


@settings(max_examples=200)
@given(
    seed=st.integers(0, 10_000), lost=st.sets(st.integers(0, 58), max_size=4), window_s=st.sampled_from([30, 60, None])
)
def test_whatever_the_pages_no_trade_is_missed_or_given_twice(
    seed: int, lost: set[int], window_s: float | None
) -> None:
    history = [each for number, each in enumerate(TRADES) if number not in lost]
    chance = random.Random(seed)

    def mischief(number: int, rows: list[Row]) -> Sequence[Row]:
        bad = number % 3 == 0 and chance.random() < 0.5
        kept = rows[: chance.randint(0, len(rows))] if bad else rows
        return chance.sample([*kept, *kept[:2]], len(kept) + len(kept[:2]))

    one = walk(window_s=window_s, after_id=99)
    found, _ = gone_through(one, history, mischief)
    assert found == history
    told = one.findings()
    assert (told[0].from_ns, told[-1].to_ns) == ALL
    assert [each.to_ns for each in told[:-1]] == [each.from_ns for each in told[1:]]
