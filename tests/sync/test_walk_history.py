"""Bars and trades by id: every kind of page a venue may answer, and what is proven in the end."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from walking import START_NS, Mischief, bar, gone_through, minutes, seconds, trade

from tapeline.model.event import Trade
from tapeline.model.interval import MINUTE_NS, interval
from tapeline.sync.walk import BarsWalk, Finding, IdsWalk, Row
from tapeline.venues.spec import Ask

BARS = [bar(number) for number in range(25)]
TRADES = [trade(number) for number in range(100, 150)]
LOST = "asked twice: the venue does not have it"


def bars(first: int = 0, end: int = 25) -> BarsWalk:
    return BarsWalk("X", "1m", minutes(first, end), 10)


def ids(first: int | None = 100, last: int = 149, *, down: bool = False) -> IdsWalk:
    return IdsWalk("trades", "X", (first, last), seconds(100, 150), 10, newest_first=down)


# ---- bars ----------------------------------------------------------------------------------------------------------


def test_bars_are_asked_for_by_windows_of_a_page() -> None:
    walk = bars()
    found, asked = gone_through(walk, BARS)
    assert found == BARS
    assert [(ask.from_ns, ask.to_ns, ask.limit) for ask in asked] == [
        (*minutes(0, 10), 10), (*minutes(10, 20), 10), (*minutes(20, 25), 5),
    ]  # fmt: skip
    assert asked[0] == Ask("bars", "X", "1m", *minutes(0, 10), limit=10)
    assert walk.findings() == [Finding(*minutes(0, 25), "proven", "bars")]
    assert walk.part == 1.0


def unordered(_number: int, rows: list[Row]) -> Sequence[Row]:
    return random.Random(3).sample(rows, len(rows))


def overlapping(_number: int, _rows: list[Row]) -> Sequence[Row]:
    return BARS


def empty_at_first(number: int, rows: list[Row]) -> Sequence[Row]:
    return rows if number % 2 else []


def one_short(number: int, rows: list[Row]) -> Sequence[Row]:
    return rows[:-1] if number == 0 else rows


def short_in_the_middle(number: int, rows: list[Row]) -> Sequence[Row]:
    return rows[:4] + rows[6:] if number == 1 else rows


def newest_hundred_only(_number: int, rows: list[Row]) -> Sequence[Row]:
    return rows[-3:]  # a venue whose page is shorter than we were told


@pytest.mark.parametrize(
    "mischief", [unordered, overlapping, empty_at_first, one_short, short_in_the_middle, newest_hundred_only]
)
def test_a_page_may_be_anything_but_false(mischief: Mischief) -> None:
    walk = bars()
    found, _ = gone_through(walk, BARS, mischief)
    assert sorted(found, key=lambda row: getattr(row, "open_at_ns", 0)) == BARS
    assert walk.findings() == [Finding(*minutes(0, 25), "proven", "bars")]


def test_a_bar_that_the_venue_does_not_have_is_said_to_be_lost() -> None:
    walk = bars()
    found, asked = gone_through(walk, BARS[:5] + BARS[7:])
    assert found == BARS[:5] + BARS[7:]
    assert [(ask.from_ns, ask.to_ns) for ask in asked[:2]] == [minutes(0, 10), minutes(5, 7)]
    assert walk.findings() == [
        Finding(*minutes(0, 5), "proven", "bars"),
        Finding(*minutes(5, 7), "unrecoverable", "", LOST),
        Finding(*minutes(7, 25), "proven", "bars"),
    ]


def test_of_a_sparse_venue_what_is_not_there_was_not_traded() -> None:
    walk = BarsWalk("X", "1m", minutes(0, 25), 10, sparse=True)
    found, asked = gone_through(walk, BARS[:5] + BARS[7:20])
    assert (found, len(asked)) == (BARS[:5] + BARS[7:20], 4)  # an empty page is asked for again
    assert walk.findings() == [Finding(*minutes(0, 25), "proven", "bars")]


def test_an_open_bar_ends_the_walk_and_is_no_bar() -> None:
    walk = bars()
    found, asked = gone_through(walk, [*BARS[:13], bar(13, closed=False)])
    assert (found, len(asked)) == (BARS[:13], 2)
    assert walk.findings() == [Finding(*minutes(0, 13), "proven", "bars")]
    first = bars()
    assert gone_through(first, [bar(0, closed=False)])[0] == []
    assert first.findings() == []


def test_a_page_that_contradicts_itself_is_asked_for_again() -> None:
    wrong = bar(3, close="1.5")
    walk = bars(0, 10)
    found, asked = gone_through(walk, BARS, lambda number, rows: [*rows, wrong] if number == 0 else rows)
    assert (found, len(asked)) == (BARS[:10], 2)
    assert walk.findings() == [Finding(*minutes(0, 10), "proven", "bars")]
    disputed = bars(0, 10)
    found, asked = gone_through(disputed, BARS, lambda _number, rows: [*rows, wrong])
    assert (found, len(asked)) == (BARS[:3] + BARS[4:10], 2)
    assert disputed.findings() == [
        Finding(*minutes(0, 3), "proven", "bars"),
        Finding(*minutes(3, 4), "disputed", "", "two readings: 2/2/2/2 2 and 2/2/2/1.5 2"),
        Finding(*minutes(4, 10), "proven", "bars"),
    ]


def test_a_window_without_an_answer_is_left_open() -> None:
    walk = bars()
    found, _ = gone_through(walk, BARS, lambda number, rows: None if number == 1 else rows)
    assert found == BARS[:10] + BARS[20:]
    assert walk.findings() == [
        Finding(*minutes(0, 10), "proven", "bars"), Finding(*minutes(20, 25), "proven", "bars"),
    ]  # fmt: skip


def test_rows_off_the_grid_and_of_other_spans_are_none_of_ours() -> None:
    walk = bars(5, 8)
    off = [bar(6, name="1M"), *BARS]
    assert gone_through(walk, BARS, lambda _number, _rows: off)[0] == BARS[5:8]


def test_months_are_of_the_calendar() -> None:
    months = [bar(number, name="1M") for number in range(14)]
    end_ns = interval("1M").next(months[-1].open_at_ns)
    walk = BarsWalk("X", "1M", (months[0].open_at_ns, end_ns), 10)
    found, asked = gone_through(walk, months, lambda _number, rows: [*rows, bar(1)])
    assert found == months
    assert [ask.from_ns for ask in asked] == [months[0].open_at_ns, months[10].open_at_ns]
    assert walk.findings() == [Finding(months[0].open_at_ns, end_ns, "proven", "bars")]


@settings(max_examples=150)
@given(seed=st.integers(0, 10_000), lost=st.sets(st.integers(0, 24), max_size=6))
def test_whatever_the_pages_no_bar_is_missed_or_given_twice(seed: int, lost: set[int]) -> None:
    history = [each for number, each in enumerate(BARS) if number not in lost]
    chance = random.Random(seed)

    def mischief(number: int, rows: list[Row]) -> Sequence[Row]:
        kept = rows if number > 30 or chance.random() < 0.4 else [row for row in rows if chance.random() < 0.8]
        return chance.sample([*kept, *kept[:2]], len(kept) + len(kept[:2]))

    walk = bars()
    found, _ = gone_through(walk, history, mischief)
    opens = [row.open_at_ns for row in found if hasattr(row, "open_at_ns")]
    assert len(set(opens)) == len(opens)
    told = walk.findings()
    assert [each.to_ns for each in told[:-1]] == [each.from_ns for each in told[1:]]
    assert (told[0].from_ns, told[-1].to_ns) == minutes(0, 25)
    proven = {at for each in told if each.state == "proven" for at in range(each.from_ns, each.to_ns, MINUTE_NS)}
    assert proven == set(opens)


# ---- trades by id --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("down", [False, True])
def test_ids_are_asked_for_page_by_page(down: bool) -> None:
    walk = ids(down=down)
    found, asked = gone_through(walk, TRADES)
    assert sorted(found, key=lambda row: getattr(row, "seq", 0)) == TRADES
    starts = [100, 110, 120, 130, 140]
    assert [ask.from_id for ask in asked] == (starts[::-1] if down else starts)
    assert asked[0] == Ask("trades", "X", from_id=140 if down else 100, limit=10)
    assert walk.findings() == [Finding(*seconds(100, 150), "proven", "ids", "", 100, 149)]


@pytest.mark.parametrize("mischief", [unordered, empty_at_first, one_short, short_in_the_middle, newest_hundred_only])
@pytest.mark.parametrize("down", [False, True])
def test_ids_come_right_whatever_the_pages(mischief: Mischief, down: bool) -> None:
    walk = ids(down=down)
    found, _ = gone_through(walk, TRADES, mischief)
    assert sorted(found, key=lambda row: getattr(row, "seq", 0)) == TRADES
    assert walk.findings() == [Finding(*seconds(100, 150), "proven", "ids", "", 100, 149)]


def test_a_hole_takes_the_instants_at_both_its_ends() -> None:
    walk = ids()
    gone_through(walk, TRADES[:20] + TRADES[25:])
    hole = START_NS + 119 * 10**9, START_NS + 125 * 10**9 + 1
    assert walk.findings() == [
        Finding(START_NS + 100 * 10**9, hole[0], "proven", "ids", "", 100, 119),
        Finding(*hole, "unrecoverable", "", LOST),
        Finding(hole[1], START_NS + 150 * 10**9, "proven", "ids", "", 125, 149),
    ]


def test_what_is_lost_at_the_ends_reaches_to_them() -> None:
    walk = ids()
    gone_through(walk, TRADES[5:45])
    assert walk.findings() == [
        Finding(START_NS + 100 * 10**9, START_NS + 105 * 10**9 + 1, "unrecoverable", "", LOST),
        Finding(START_NS + 105 * 10**9 + 1, START_NS + 144 * 10**9, "proven", "ids", "", 105, 144),
        Finding(START_NS + 144 * 10**9, START_NS + 150 * 10**9, "unrecoverable", "", LOST),
    ]
    nothing = ids()
    gone_through(nothing, [])
    assert nothing.findings() == [Finding(*seconds(100, 150), "unrecoverable", "", LOST)]


def test_no_answer_is_no_proof_of_anything() -> None:
    walk = ids()
    gone_through(walk, TRADES, lambda number, rows: None if number == 4 else rows)
    assert walk.findings() == [
        Finding(START_NS + 100 * 10**9, START_NS + 139 * 10**9, "proven", "ids", "", 100, 139)
    ]  # fmt: skip


def test_neighbours_with_nothing_between_them_need_no_request() -> None:
    walk = ids(120, 119)
    assert gone_through(walk, TRADES) == ([], [])
    assert walk.findings() == [Finding(*seconds(100, 150), "proven", "ids")]


def test_where_a_number_was_given_twice_no_number_proves_anything() -> None:
    """The venue repeats 120 to 125, and tells both trades of a number where it is asked for it."""
    walk = ids()
    again = [trade(seq, seq + 20.0, price="11") for seq in range(120, 126)]
    found, _ = gone_through(
        walk, TRADES, lambda _number, rows: [*rows, *(row for row in again if trade(row.seq or 0) in rows)]
    )  # fmt: skip
    assert [row for row in found if isinstance(row, Trade) and row.seq not in range(120, 126)] == [
        row for row in TRADES if row.seq not in range(120, 126)
    ]
    (finding,) = walk.findings()
    assert (finding.from_ns, finding.to_ns, finding.state) == (*seconds(100, 150), "disputed")
    assert finding.why == "the venue gave number 120 twice: buy 1 at 10, and buy 1 at 11 at another time"


def test_a_number_of_a_later_trade_fills_no_hole() -> None:
    """What is missing was numbered 110 to 119; the venue numbers anew since, and has these twice."""
    walk = IdsWalk("trades", "X", (110, 119), seconds(109, 121), 10, newest_first=True)
    gone_through(walk, [trade(seq, seq + 60) for seq in range(100, 130)])
    (finding,) = walk.findings()
    assert (finding.from_ns, finding.to_ns, finding.state) == (*seconds(109, 121), "disputed")
    assert finding.why == "the venue gave number 110 to a later trade: buy 1 at 10"


def test_one_id_with_two_prices_is_disputed() -> None:
    walk = ids()
    found, _ = gone_through(
        walk, TRADES, lambda _number, rows: [*rows, trade(122, price="11")] if trade(122) in rows else rows
    )
    assert found == [row for row in TRADES if row.seq != 122]
    assert [(each.state, each.why) for each in walk.findings()] == [
        ("proven", ""), ("disputed", "two readings: buy 1 at 10 and buy 1 at 11"), ("proven", ""),
    ]  # fmt: skip
    same = ids(100, 109)
    again = [trade(seq, received_ns=8) for seq in range(100, 110)]  # the same trades, received later
    assert gone_through(same, TRADES, lambda _number, rows: [*rows, *again])[0] == TRADES[:10]


def test_downward_without_a_first_id_until_the_trades_are_too_old() -> None:
    walk = IdsWalk("trades", "X", (None, 149), seconds(117.5, 150), 10, newest_first=True)
    found, asked = gone_through(walk, TRADES)
    assert sorted(getattr(row, "seq", 0) for row in found) == list(range(118, 150))
    assert [ask.from_id for ask in asked] == [140, 130, 120, 110]
    assert walk.findings() == [Finding(*seconds(117.5, 150), "proven", "ids", "", 118, 149)]


def test_downward_until_the_venue_has_no_more() -> None:
    walk = IdsWalk("trades", "X", (None, 149), seconds(50, 150), 10, newest_first=True)
    found, asked = gone_through(walk, TRADES)
    assert sorted(found, key=lambda row: getattr(row, "seq", 0)) == TRADES
    assert [ask.from_id for ask in asked] == [140, 130, 120, 110, 100, 90, 90]
    assert walk.findings() == [
        Finding(*seconds(50, 100)[:1], START_NS + 100 * 10**9 + 1, "unrecoverable", "", "the venue has no older ones"),
        Finding(START_NS + 100 * 10**9 + 1, START_NS + 150 * 10**9, "proven", "ids", "", 100, 149),
    ]
