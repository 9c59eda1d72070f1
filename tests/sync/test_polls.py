"""Rounds of polling against a small venue of lists: what is asked, and what is passed on."""

from decimal import Decimal

import msgspec
import pytest

from tapeline.model.event import Bar, Trade
from tapeline.model.interval import MINUTE_NS, SECOND_NS
from tapeline.sync.polls import LEAST, MOST_PAGES, ROOM, SETTLED_NS, BarsPoll, Poll, TradesPoll, poll_of, pollable
from tapeline.venues import venue_named
from tapeline.venues.spec import Ask, Feed, Request, RestCall

ONE = Decimal(1)
START_NS = 28_000_000 * MINUTE_NS


def bar(number: int, *, closed: bool = True, name: str = "1m") -> Bar:
    at_ns = START_NS + number * MINUTE_NS
    return Bar(
        "x:A/B", f"bars:{name}", None, at_ns, "rest", name, at_ns, ONE, ONE, ONE, ONE, ONE, None, None, None, None,
        None, closed,
    )  # fmt: skip


def trade(seq: int, first: int | None = None, channel: str = "trades") -> Trade:
    ids = (first if first is not None else seq, seq) if channel == "trades" else (seq * 10, seq * 10 + 3)
    return Trade("x:A/B", channel, seq, seq, "rest", str(seq), seq, "buy", ONE, ONE, *ids)


def call(page: int, **more: object) -> RestCall:
    return RestCall(build=lambda _ask: Request("GET", "/"), parse=lambda *_: [], page=page, **more)  # type: ignore[arg-type]


def round_of(poll: Poll, venue: list[Trade], place: int | None) -> list[Ask]:
    """A whole round against these trades; what was asked."""
    poll.begin(place, 0)
    asked = []
    while (ask := poll.next()) is not None:
        asked.append(ask)
        found = [each for each in venue if ask.from_id is None or (each.last_id or 0) >= ask.from_id]
        poll.took(found[-(ask.limit or 1) :] if ask.from_id is None else found[: ask.limit])
    return asked


def numbers(poll: Poll) -> list[int]:
    return [row.seq or 0 for row in poll.rows() if isinstance(row, Trade)]


def opens(poll: Poll) -> list[int]:
    return [(row.open_at_ns - START_NS) // MINUTE_NS for row in poll.rows() if isinstance(row, Bar)]


def test_what_can_be_polled_proves_itself_and_has_a_history_to_go_through() -> None:
    usdm, spot = venue_named("binance-usdm"), venue_named("binance")
    told = {
        name: pollable(spot.feeds[name], spot.rest.get(spot.feeds[name].repair))
        for name in ("trades", "aggtrades", "bars", "quotes", "book", "ticker")
    }
    assert told == {
        "trades": True, "aggtrades": True, "bars": True, "quotes": False, "book": False, "ticker": False,
    }  # fmt: skip
    assert not pollable(usdm.feeds["trades"], usdm.rest.get(usdm.feeds["trades"].repair)), "its history takes a key"
    assert not pollable(Feed(channel="x", wire_name="x", endpoint="public"), call(1, walk="ids"))
    assert isinstance(poll_of("bars:1m", "AB", call(10, walk="bars")), BarsPoll)
    assert isinstance(poll_of("trades", "AB", call(10, walk="ids")), TradesPoll)


# ---- bars


def test_one_request_brings_every_bar_that_was_missed_and_the_open_one_is_left_out() -> None:
    poll = BarsPoll("AB", "1m", call(100))
    poll.begin(START_NS, START_NS + 5 * MINUTE_NS + 3 * SECOND_NS)
    assert poll.next() == Ask("bars", "AB", "1m", START_NS, START_NS + 6 * MINUTE_NS, limit=100)
    poll.took([bar(n, closed=n < 5) for n in range(6)])
    assert poll.next() is None
    assert opens(poll) == [0, 1, 2, 3, 4]
    assert poll.whole
    assert poll.due_ns(START_NS + 5 * MINUTE_NS + 4 * SECOND_NS, 0) == START_NS + 6 * MINUTE_NS + SETTLED_NS


def test_long_absences_take_pages_and_no_more_than_a_bounded_number() -> None:
    poll = BarsPoll("AB", "1m", call(10))
    poll.begin(START_NS, START_NS + 1000 * MINUTE_NS)
    asked = []
    while (ask := poll.next()) is not None:
        asked.append(ask)
        first, end = ((at - START_NS) // MINUTE_NS for at in (ask.from_ns or 0, ask.to_ns or 0))
        poll.took([bar(n, closed=n < 1000) for n in range(first, end)])
    assert len(asked) == MOST_PAGES
    assert opens(poll) == list(range(1001 - 10 * MOST_PAGES, 1000)), "the oldest are left to repair"


def test_a_bar_that_has_not_come_is_asked_for_again_soon_and_none_is_passed_over() -> None:
    poll, now_ns = BarsPoll("AB", "1m", call(100)), START_NS + 3 * MINUTE_NS + 4 * SECOND_NS
    for turn, wait_s in enumerate((1, 2, 4)):
        poll.begin(START_NS, now_ns)
        poll.next()
        poll.took([bar(0), bar(2)])
        assert opens(poll) == [0] if turn < 3 else [0, 2]
        assert not poll.whole
        assert poll.due_ns(now_ns, 0) == now_ns + wait_s * SECOND_NS
    poll.begin(START_NS, now_ns)
    poll.next()
    poll.took([bar(2), bar(0)])
    assert opens(poll) == [0, 2], "asked often enough: the hole is announced, and repair's"
    assert poll.whole


def test_where_a_quiet_interval_has_no_bar_none_is_waited_for() -> None:
    poll = BarsPoll("AB", "1m", call(100, sparse=True))
    poll.begin(START_NS, START_NS + 3 * MINUTE_NS + 4 * SECOND_NS)
    poll.next()
    poll.took([bar(0), bar(2)])
    assert opens(poll) == [0, 2]


def test_the_first_round_begins_with_the_bar_that_is_open() -> None:
    poll = BarsPoll("AB", "1m", call(100))
    now_ns = START_NS + 30 * SECOND_NS
    assert poll.due_ns(now_ns, 0) == START_NS + MINUTE_NS + SETTLED_NS
    poll.begin(None, now_ns)
    assert poll.next() == Ask("bars", "AB", "1m", START_NS, START_NS + MINUTE_NS, limit=100)
    poll.took([bar(0, closed=False)])
    assert (opens(poll), poll.whole) == ([], True)
    poll.begin(None, START_NS + 64 * SECOND_NS)
    assert poll.next() == Ask("bars", "AB", "1m", START_NS, START_NS + 2 * MINUTE_NS, limit=100), "still that one"


def test_months_have_no_length_and_are_one_page() -> None:
    poll = BarsPoll("AB", "1M", call(100))
    poll.begin(START_NS, START_NS + MINUTE_NS)
    ask = poll.next()
    assert ask is not None
    assert (ask.from_ns, ask.interval) == (START_NS, "1M")
    poll.took([])
    assert poll.next() is None


# ---- trades


def test_usually_the_newest_page_is_all_there_is_to_ask() -> None:
    poll = TradesPoll("trades", "AB", 10)
    asked = round_of(poll, [trade(n) for n in range(1, 21)], 15)
    assert asked == [Ask("trades", "AB", limit=10)]
    assert numbers(poll) == [15, 16, 17, 18, 19, 20]
    assert poll.whole


def test_what_lies_before_the_newest_page_is_asked_for_by_id() -> None:
    poll = TradesPoll("trades", "AB", 10)
    asked = round_of(poll, [trade(n) for n in range(1, 41)], 5)
    assert [ask.from_id for ask in asked] == [None, 4, 14, 24]
    assert numbers(poll) == list(range(5, 41))
    assert poll.whole


def test_trades_that_cover_several_ids_follow_by_their_ranges() -> None:
    poll = TradesPoll("trades", "AB", 10)
    round_of(poll, [trade(3, 1), trade(4), trade(9, 5), trade(10)], 4)
    assert numbers(poll) == [4, 9, 10]
    aggregates = TradesPoll("aggtrades", "AB", 10)
    round_of(aggregates, [trade(n, channel="aggtrades") for n in range(1, 6)], 3)
    assert numbers(aggregates) == [3, 4, 5]
    assert aggregates.whole


def test_a_row_that_is_missing_in_a_page_is_asked_for_then_left_to_the_merge() -> None:
    trades = [trade(n) for n in range(1, 21) if n != 17]
    poll = TradesPoll("trades", "AB", 10)
    asked = round_of(poll, trades, 15)
    assert [ask.from_id for ask in asked] == [None, 17, 17, 17]
    assert not poll.whole
    assert numbers(poll) == [15, 16, 18, 19, 20]


@pytest.mark.parametrize(("held", "expected", "whole"), [(None, [20], True), (21, [], True), (500, [], False)])
def test_with_nothing_held_nothing_new_or_a_page_that_does_not_reach_what_is_held(
    held: int | None, expected: list[int], whole: bool
) -> None:  # fmt: skip
    poll = TradesPoll("trades", "AB", 10)
    round_of(poll, [trade(n) for n in range(1, 21)], held)
    assert numbers(poll) == expected
    assert poll.whole is whole


def test_a_venue_that_numbers_anew_is_believed_where_the_stamps_agree() -> None:
    poll = TradesPoll("trades", "AB", 10)
    old = [trade(n) for n in range(995, 1001)]  # stamped by their numbers: long ago
    new = [msgspec.structs.replace(trade(n), at_ns=1000 + 61 * SECOND_NS + n) for n in range(1, 4)]
    poll.begin(1001, 0, 1000)
    assert poll.next() is not None
    poll.took([*new, *old])
    assert numbers(poll) == [1, 2, 3], "a minute after the last one held"
    poll.begin(4, 0, 1000 + 61 * SECOND_NS + 3)
    assert poll.next() is not None
    poll.took([*new, *old])
    assert numbers(poll) == [], "higher numbers on older stamps"


def at(seq: int, second: int) -> Trade:
    return msgspec.structs.replace(trade(seq), at_ns=second * SECOND_NS)


def test_a_page_with_three_numberings_is_told_from_the_last_one_held_on() -> None:
    poll = TradesPoll("trades", "AB", 20)
    page = [
        at(93, 5637),
        at(94, 5651),
        at(95, 5670),
        at(90, 5748),
        at(91, 5781),
        at(92, 5848),
        at(88, 5915),
        at(89, 5959),
    ]
    poll.begin(95, 0, 5651 * SECOND_NS)
    poll.next()
    poll.took(page)
    assert poll.next() is None
    assert numbers(poll) == [95, 90, 91, 92, 88, 89]
    assert poll.whole, "the merge announces a hole before the first of each"
    poll.begin(92, 0, 5781 * SECOND_NS)
    poll.next()
    poll.took(list(reversed(page)))
    assert numbers(poll) == [92, 88, 89], "what is held is found by its number and its stamp"


def test_a_page_that_shows_what_is_held_at_another_time_is_of_another_numbering() -> None:
    poll = TradesPoll("trades", "AB", 20)
    poll.begin(95, 0, 5651 * SECOND_NS)
    poll.next()
    poll.took([at(n, 6200 + n) for n in range(92, 99)])
    assert poll.next() is None, "nothing goes on from what is held"
    assert numbers(poll) == list(range(92, 99))
    assert poll.whole


def test_what_is_held_is_asked_for_too_where_the_page_does_not_show_it() -> None:
    trades = [at(n, 6200 + n) for n in range(90, 120)]
    poll = TradesPoll("trades", "AB", 10)
    poll.begin(95, 0, 5651 * SECOND_NS)
    asked = []
    while (ask := poll.next()) is not None:
        asked.append(ask.from_id)
        found = [each for each in trades if ask.from_id is None or (each.seq or 0) >= ask.from_id]
        poll.took(found[-10:] if ask.from_id is None else found[:10])
    assert asked == [None, 94, 104]
    assert numbers(poll) == list(range(94, 120)), "94 is another trade than ours"


def test_a_page_that_lacks_the_very_trade_that_is_held_is_no_other_numbering() -> None:
    poll = TradesPoll("trades", "AB", 20)
    poll.begin(95, 0, 5651 * SECOND_NS)
    poll.next()
    poll.took([at(93, 5640), at(95, 5653), at(96, 5700)])
    assert poll.next() is None
    assert numbers(poll) == [95, 96]
    assert poll.whole


def test_an_answer_that_is_behind_the_stream_is_no_other_numbering() -> None:
    poll = TradesPoll("trades", "AB", 10)
    poll.begin(95, 0, 5651 * SECOND_NS)
    poll.next()
    poll.took([at(n, 5500 + n) for n in range(85, 94)])
    assert (numbers(poll), poll.whole) == ([], False)


def test_far_behind_is_a_hole_and_not_a_thousand_requests() -> None:
    poll = TradesPoll("trades", "AB", 10)
    asked = round_of(poll, [trade(n) for n in range(1, 1001)], 5)
    assert len(asked) == 1
    assert numbers(poll) == list(range(991, 1001))


def test_an_empty_venue_and_one_that_stops_answering_end_the_round() -> None:
    poll = TradesPoll("trades", "AB", 10)
    assert len(round_of(poll, [], 7)) == 1
    assert (numbers(poll), poll.whole) == ([], False), "an empty page proves nothing"
    poll.begin(5, 0)
    for _ in range(3):
        assert poll.next() is not None
        poll.took([trade(30)] if poll.next() == Ask("trades", "AB", limit=10) else [])
    assert poll.next() is None
    assert not poll.rows() or not poll.whole


# ---- how much of the newest page


def settled_poll(came: int = 1, page: int = 1000) -> TradesPoll:
    """A poll whose last round, against trades 1 to 2000, brought so many."""
    poll = TradesPoll("trades", "AB", page)
    venue = [at(n, n * 60) for n in range(1, 2001)]
    poll.begin(2001 - came, 0, (2000 - came) * 60 * SECOND_NS)
    assert poll.next() == Ask("trades", "AB", limit=page), "nobody knows yet how many come"
    poll.took(venue[-page:])
    assert poll.next() is None
    assert numbers(poll) == list(range(2001 - came, 2001))
    return poll


@pytest.mark.parametrize(("came", "limit"), [(0, LEAST), (3, LEAST), (40, ROOM * 40), (400, 1000)])
def test_as_many_rows_are_asked_for_as_the_last_round_brought_with_room(came: int, limit: int) -> None:
    poll = settled_poll(came)
    poll.begin(2001, 0, 2000 * 60 * SECOND_NS)
    assert poll.next() == Ask("trades", "AB", limit=limit)
    poll.took([at(n, n * 60) for n in range(2003 - limit, 2003)])
    assert poll.next() is None, "it shows the last one held"
    assert numbers(poll) == [2001, 2002]
    assert poll.whole


def test_where_few_rows_do_not_reach_what_is_held_the_whole_page_is_asked_for() -> None:
    poll = settled_poll()
    newer = [at(n, 2000 * 60 + n - 2000) for n in range(2001, 2101)]
    page = [*(at(n, n * 60) for n in range(1, 2001)), *newer]
    poll.begin(2001, 0, 2000 * 60 * SECOND_NS)
    poll.took(page[-LEAST:])
    assert poll.next() == Ask("trades", "AB", limit=1000)
    poll.took(page[-1000:])
    assert poll.next() is None
    assert numbers(poll) == list(range(2001, 2101))
    assert poll.whole
    poll.begin(2101, 0, 2000 * 60 * SECOND_NS)
    assert poll.next() == Ask("trades", "AB", limit=400), "as many may come again"


def test_few_rows_of_a_venue_that_numbered_anew_further_back_hide_none_of_those_before_it() -> None:
    """By their numbers alone, all of these would go on from the last one held."""
    poll = settled_poll()
    before = [at(n, 2000 * 60 + n - 2000) for n in range(2001, 2041)]
    anew = [at(n, 2010 * 60 + n - 2000) for n in range(1995, 2061)]
    page = [*(at(n, n * 60) for n in range(1, 2001)), *before, *anew]
    poll.begin(2001, 0, 2000 * 60 * SECOND_NS)
    poll.took(page[-LEAST:])
    assert poll.next() == Ask("trades", "AB", limit=1000)
    poll.took(page[-1000:])
    assert poll.next() is None
    assert numbers(poll) == [*range(2001, 2041), *range(1995, 2061)]


def test_few_rows_that_show_the_number_held_at_another_time_do_not_reach_it() -> None:
    poll = settled_poll()
    poll.begin(2001, 0, 2000 * 60 * SECOND_NS)
    poll.took([at(n, 2100 * 60 + n) for n in range(1995, 2045)])
    assert poll.next() == Ask("trades", "AB", limit=1000)


def test_few_rows_that_are_behind_the_stream_are_enough_and_none_at_all_are_not() -> None:
    poll = settled_poll()
    poll.begin(2002, 0, 2001 * 60 * SECOND_NS)
    poll.took([at(n, n * 60) for n in range(2001 - LEAST, 2001)])
    assert poll.next() is None, "what is older tells nothing new"
    assert (numbers(poll), poll.whole) == ([], False)
    poll.begin(2002, 0, 2001 * 60 * SECOND_NS)
    poll.took([])
    assert poll.next() == Ask("trades", "AB", limit=1000)


def test_with_nothing_held_few_rows_are_enough() -> None:
    """As after a series was given back and is wanted again."""
    poll = settled_poll()
    poll.begin(None, 0)
    poll.took([at(n, n * 60) for n in range(2001 - LEAST, 2001)])
    assert poll.next() is None
    assert numbers(poll) == [2000]


def test_after_a_round_that_failed_the_whole_page_is_asked_for() -> None:
    poll = settled_poll()
    for limit in (LEAST, 1000, 1000):
        poll.begin(2001, 0, 2000 * 60 * SECOND_NS)
        assert poll.next() == Ask("trades", "AB", limit=limit), "the answer to the one before never came"


def test_rounds_of_trades_end_a_moment_after_the_grid() -> None:
    poll = TradesPoll("trades", "AB", 10)
    every = 10 * SECOND_NS
    assert poll.due_ns(START_NS + 4 * SECOND_NS, every) == START_NS + 10 * SECOND_NS + SETTLED_NS
    assert poll.due_ns(START_NS + 1 * SECOND_NS, every) == START_NS + SETTLED_NS
