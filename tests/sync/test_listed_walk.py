"""Trades by time: what a venue that numbers anew hides behind numbers that follow each other is found, or said."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from walking import Mischief, Told, Venue, seconds, told_of, trade

from tapeline.model.event import Trade
from tapeline.model.interval import SECOND_NS
from tapeline.sync.listed_walk import ListedWalk
from tapeline.sync.walk import Finding, Row
from tapeline.venues import venue_named
from tapeline.venues.spec import Ask, RestCall

SPOT = replace(venue_named("binance").rest["trades"], page=10)  # its list by time is another call: aggtrades
OWN = replace(SPOT, locate="trades")
Ids = tuple[int | None, int | None]


def walk(call: RestCall, from_s: float, to_s: float, ids: Ids = (None, None)) -> ListedWalk:
    """Over a hole between trades at both of these seconds."""
    from_ns, to_ns = seconds(from_s, to_s)
    return ListedWalk("trades", call, "X", (from_ns, to_ns + 1), ids)


def gone(over: ListedWalk, venue: Venue, mischief: Mischief = lambda _number, rows: rows) -> list[Told]:
    """All that it gives out, in order of time."""
    found = list[Trade]()
    while (ask := over.next()) is not None:
        assert over.next() == ask
        assert 0 <= over.part <= 1
        assert len(venue.asked) < 500, "a walk without an end"
        venue.asked.append(ask)
        rows = mischief(len(venue.asked) - 1, venue.answer(ask))
        if rows is None:
            over.failed("HTTP 500")
        else:
            found += [row for row in over.took(rows) if isinstance(row, Trade)]
    assert over.part == 1.0
    return sorted((told_of(each) for each in found), key=lambda each: (each[1], each[0]))


def states(over: ListedWalk) -> list[tuple[float, float, str]]:
    start_ns = seconds(0, 0)[0]
    return [
        ((each.from_ns - start_ns) / SECOND_NS, (each.to_ns - start_ns) // SECOND_NS, each.state)
        for each in over.findings()
    ]


STEADY = [(seq, seq * 10.0) for seq in range(80, 125)]
STEADY_FIRST = [trade(80, 800.0)]
# 100 is the last that is held, then 101 to 105; five numbers come again: 101 to 120; 121 is heard live.
HIDDEN = [(seq, seq * 10.0) for seq in range(80, 106)] + [(seq, seq * 10.0 + 50) for seq in range(101, 125)]


def test_the_list_comes_first_and_then_the_numbers_it_names() -> None:
    venue, over = Venue(STEADY), walk(SPOT, 1000, 1060, (101, 105))
    assert gone(over, venue) == [(seq, seq * 10.0) for seq in range(101, 106)]
    assert venue.asked == [
        Ask("aggtrades", "X", to_ns=seconds(0, 1060)[1] + 1, limit=8), Ask("trades", "X", from_id=101, limit=5),
    ]  # fmt: skip
    from_ns, to_ns = seconds(1000, 1060)
    assert over.findings() == [Finding(from_ns, to_ns + 1, "proven", "ids", "", 101, 105)]


def test_a_list_that_has_the_trades_themselves_is_all_that_is_asked() -> None:
    venue, over = Venue(STEADY), walk(OWN, 1000, 1060, (101, 105))
    assert gone(over, venue) == [(seq, seq * 10.0) for seq in range(101, 106)]
    assert [ask.from_id for ask in venue.asked] == [None]
    assert [each[2] for each in states(over)] == ["proven"]


def test_trades_that_numbers_hide_are_in_dispute_where_only_the_later_ones_can_be_had() -> None:
    """Asked by number, the venue gives 101 to 120 as if nothing had happened: five trades less than there were."""
    venue, over = Venue(HIDDEN), walk(SPOT, 1000, 1260, (101, 120))
    assert gone(over, venue) == [(seq, seq * 10.0 + 50) for seq in range(101, 121)]
    for at_s in (1010, 1020, 1030, 1040, 1050):
        assert [state for low, high, state in states(over) if low <= at_s < high] == ["disputed"]
    assert {state for low, _, state in states(over) if low >= 1060} == {"proven"}
    assert over.findings()[0].why == "the venue gives number 101 to two trades, the other one 50 s later"


def test_trades_that_numbers_hide_are_given_out_where_the_list_has_them() -> None:
    venue, over = Venue(HIDDEN), walk(OWN, 1000, 1260, (101, 120))
    assert gone(over, venue) == [each for each in HIDDEN if 1000 < each[1] < 1260]
    assert {each[2] for each in states(over)} == {"proven"}


def test_an_outage_over_which_numbers_follow_each_other() -> None:
    """100 was held, 101 is heard: by its number the next one, and five others were between them."""
    told = [(seq, seq * 10.0) for seq in range(80, 106)] + [(101, 1100.0), (102, 1110.0)]
    assert gone(walk(OWN, 1000, 1100, (101, 100)), Venue(told)) == [(seq, seq * 10.0) for seq in range(101, 106)]
    over = walk(SPOT, 1000, 1100, (101, 100))
    assert gone(over, Venue(told)) == [(seq, seq * 10.0) for seq in range(103, 106)], "102 is of another trade by now"
    assert "disputed" in {each[2] for each in states(over)}
    quiet, venue = walk(SPOT, 1000, 1100, (101, 100)), Venue([*STEADY[:21], (101, 1100.0)])
    assert gone(quiet, venue) == []
    assert len(venue.asked) == 1
    assert states(quiet) == [(1000.0, 1100.0, "proven")]


AGAIN = [(seq, seq * 10.0) for seq in range(80, 106)] + [(seq, seq * 10.0 + 90) for seq in range(101, 110)]


def _leaving_out(at_s: float) -> Mischief:
    """What was traded then is on no page of the list."""
    return lambda _number, rows: [row for row in rows if not isinstance(row, Trade) or told_of(row)[1] != at_s]


@pytest.mark.parametrize(
    ("until_s", "ids", "seam_s"), [(1100, (101, 100), (1040.0, 1100.0)), (1160, (101, 106), (1040.0, 1100.0))]
)
def test_a_list_that_stays_short_where_numbers_begin_anew_proves_nothing_there(
    until_s: float, ids: Ids, seam_s: tuple[float, float]
) -> None:
    """What was the last of its numbering is on neither page, and its number is another trade's by now."""
    over = walk(SPOT, 1000, until_s, ids)
    gone(over, Venue(AGAIN), _leaving_out(1050.0))
    proven = [(low, high) for low, high, state in states(over) if state == "proven"]
    assert not [each for each in proven if each[0] <= 1050.0 < each[1]]
    reasons = {each.why: each for each in over.findings()}
    found = reasons["the venue's list, asked twice, is shorter than it should be where its numbers begin anew"]
    start_ns = seconds(0, 0)[0]
    assert [(found.from_ns - start_ns) / SECOND_NS, (found.to_ns - 1 - start_ns) / SECOND_NS] == list(seam_s)
    for one, other in itertools.pairwise(over.findings()):
        assert one.to_ns <= other.from_ns


def test_where_the_history_itself_begins_on_a_short_page_the_list_leaves_out_nothing() -> None:
    over = walk(SPOT, 1000, 1160, (101, 106))
    gone(over, Venue([each for each in AGAIN if each[1] >= 1040]))
    assert not [each for each in over.findings() if "shorter" in each.why]
    whole = walk(OWN, 1000, 1160, (101, 106))
    gone(whole, Venue(AGAIN))
    assert {each[2] for each in states(whole)} == {"proven"}


def test_a_fall_of_the_numbers_is_gone_through_on_both_sides() -> None:
    """Heard live: 100, then 42. Before that 101 to 103 were traded, and 40 and 41."""
    told = [(seq, seq * 10.0) for seq in range(80, 104)] + [(seq, 1060.0 + seq) for seq in range(40, 45)]
    missed = [(101, 1010.0), (102, 1020.0), (103, 1030.0), (40, 1100.0), (41, 1101.0)]
    for call in (SPOT, OWN):
        over = walk(call, 1000, 1102)
        assert gone(over, Venue(told)) == [(100, 1000.0), *missed, (42, 1102.0)], "whoever asked holds both ends"
        assert {each[2] for each in states(over)} == {"proven"}
        assert states(over)[0][0] == 1000.0


def test_long_holes_are_known_page_by_page_from_their_end() -> None:
    told = [(seq, float(seq)) for seq in range(50)]
    for call in (SPOT, OWN):
        venue, over = Venue(told), walk(call, 0, 49, (1, 48))
        known = list[float]()
        while (ask := over.next()) is not None:
            over.took(venue.answer(ask))
            known += [each[0] for each in states(over)[:1]]
        assert known == sorted(known, reverse=True)
        assert known[0] > 35
        assert [each[2] for each in states(over)] == ["proven"] * len(states(over))
        assert states(over)[0][0] == 0.0
        assert states(over)[-1][1] == 49.0
        for (_, high, _), (low, _, _) in itertools.pairwise(states(over)):
            assert low - high < 1e-6, "no instant between two pages is left out"


def test_one_instant_that_fills_pages() -> None:
    told = [(seq, 10.0 if 5 <= seq < 40 else float(seq)) for seq in range(5)] + [(seq, 10.0) for seq in range(5, 40)]
    told += [(seq, float(seq)) for seq in range(40, 45)]
    for call in (SPOT, OWN):
        over = walk(call, 3, 42, (4, 41))
        assert [seq for seq, _ in gone(over, Venue(told))] == list(range(4, 42)), "its numbers bring the rest"
        assert {each[2] for each in states(over)} == {"proven"}


@pytest.mark.parametrize("call", [SPOT, OWN])
def test_a_first_page_of_one_instant_comes_once(call: RestCall) -> None:
    """By the numbers none is missing, so that no more than three are asked for at first."""
    fills = [(97, 1010.0), (98, 1010.0), (99, 1010.0), (100, 1010.0)]
    venue = Venue([*STEADY[:21], *fills, (101, 1020.0)])
    over = ListedWalk("trades", call, "X", seconds(1000.5, 1020), (101, 100), held=False)
    assert gone(over, venue) == fills
    assert [ask.limit for ask in venue.asked if ask.from_id is None] == [3, 10], "then whole pages"
    assert {each[2] for each in states(over)} == {"proven"}


@pytest.mark.parametrize("call", [SPOT, OWN])
def test_a_history_of_one_instant(call: RestCall) -> None:
    over = ListedWalk("trades", call, "X", seconds(0, 100), held=False)
    assert gone(over, Venue([(7, 50.0), (8, 50.0)])) == [(7, 50.0), (8, 50.0)]
    assert [each[2] for each in states(over)] == ["unrecoverable", "proven"]


@pytest.mark.parametrize("repeated", [25, 30, 40])
def test_where_numbers_fall_too_soon_to_be_told_from_disorder_no_instant_is_proven_that_was_missed(
    repeated: int,
) -> None:
    """A second after 259 comes 235: it is taken for one that is late, and numbers do not follow the stamps any more."""
    told = [(200 + at, float(at)) for at in range(60)] + [(200 + at - repeated, float(at)) for at in range(60, 120)]
    over = ListedWalk("trades", SPOT, "X", seconds(10, 110), held=False)
    found = gone(over, Venue(told))
    hidden = [each for each in told if 10 <= each[1] < 110 and each not in found]
    assert hidden
    for _, at_s in hidden:
        at_ns, _ = seconds(at_s, at_s)
        assert {each.state for each in over.findings() if each.from_ns <= at_ns < each.to_ns} == {"disputed"}, at_s


def test_rows_of_a_list_that_stand_for_several() -> None:
    told = [(seq, seq // 3 * 10.0) for seq in range(90)]
    venue, over = Venue(told, aggregates=3), walk(SPOT, 200, 240, (63, 71))
    assert [seq for seq, _ in gone(over, venue)] == list(range(63, 72))
    assert {each[2] for each in states(over)} == {"proven"}


def test_a_short_list_is_asked_for_twice_and_an_empty_one_proves_nothing() -> None:
    over, venue = walk(OWN, 1000, 1060, (101, 105)), Venue(STEADY)
    found = gone(over, venue, lambda number, rows: rows[1:] if number == 0 else rows)
    assert [seq for seq, _ in found] == [101, 102, 103, 104, 105]
    assert len(venue.asked) == 2
    over, venue = walk(SPOT, 1000, 1060, (101, 105)), Venue(STEADY)
    found = gone(over, venue, lambda number, rows: [] if number < 2 else rows)
    assert [seq for seq, _ in found] == [101, 102, 103, 104, 105], "by their numbers"
    assert over.findings() == [], "that no others were between them nobody has said"
    over = walk(SPOT, 1000, 1060, (101, 105))
    gone(over, Venue([]))
    assert [each[2] for each in states(over)] == ["unrecoverable"]


def _without_an_answer(over: ListedWalk, held: Sequence[Trade], listed: Sequence[Trade] = ()) -> ListedWalk:
    """The list says so much, and no number brings anything; once numbers are asked for it is told what is held."""
    while (ask := over.next()) is not None:
        if ask.from_id is not None:
            over.given(held)
        over.took(listed if ask.from_id is None else ())
    return over


def test_what_turns_out_to_be_held_is_not_given_up_and_without_a_list_nothing_of_its_hole_is() -> None:
    over = walk(SPOT, 1000, 1060, (101, 105))
    assert _without_an_answer(over, [trade(103, 1030.0), trade(104, 1040.0)]).findings() == []
    over = walk(SPOT, 1000, 1060, (101, 105))
    assert _without_an_answer(over, [trade(seq, seq * 10.0) for seq in range(101, 106)]).findings() == []

    lost = [(1000.0, 1060.0, "unrecoverable")]
    over = walk(SPOT, 1000, 1060, (101, 105))
    assert states(_without_an_answer(over, [])) == lost
    over = walk(SPOT, 1000, 1060, (101, 105))
    assert states(_without_an_answer(over, [trade(103, 9000.0), trade(99, 990.0)])) == lost, "of another time, or hole"


def test_what_is_held_is_proven_beside_what_is_lost_once_the_list_shows_it() -> None:
    listed = [trade(seq, seq * 10.0) for seq in range(80, 107)]
    over = _without_an_answer(walk(SPOT, 1000, 1060, (101, 105)), [trade(103, 1030.0), trade(104, 1040.0)], listed)
    assert states(over) == [
        (1000.0, 1030.0, "unrecoverable"), (1030.000000001, 1040.0, "proven"), (1040.0, 1060.0, "unrecoverable"),
    ]  # fmt: skip


@pytest.mark.parametrize("call", [SPOT, OWN])
def test_a_hole_whose_numbers_are_all_of_its_ends_misses_nothing(call: RestCall) -> None:
    """Of three fills of one instant the first was missed, and that instant is in dispute: no trade is before it."""
    told = [*STEADY[:21], (101, 1060.0), (102, 1060.0), (103, 1060.0), (104, 1120.0)]
    (from_ns, _), (to_ns, _) = seconds(1000, 1000), seconds(1060, 1060)
    over = ListedWalk("trades", call, "X", (from_ns + 1, to_ns), (101, 101))
    assert gone(over, Venue(told)) == [(101, 1060.0)]
    assert over.findings() == [Finding(from_ns + 1, to_ns, "proven", "ids")]


def test_a_hole_whose_only_trade_the_list_leaves_out_stays_open() -> None:
    """Another one, of a numbering before, may have been left out with it."""
    from_ns, to_ns = seconds(1000, 1020)
    over = ListedWalk("trades", SPOT, "X", (from_ns + 1, to_ns), (101, 101))
    found = gone(over, Venue(STEADY), lambda number, rows: rows if number > 1 else rows[:-1])
    assert found == [(101, 1010.0)]
    assert over.findings() == []


def test_what_the_list_names_and_no_number_brings_is_lost() -> None:
    over, venue = walk(SPOT, 1000, 1060, (101, 105)), Venue(STEADY)
    found = gone(over, venue, lambda _number, rows: [row for row in rows if getattr(row, "seq", 0) != 103])
    assert [seq for seq, _ in found] == [101, 102, 104, 105]
    assert [(each.state, each.why) for each in over.findings()] == [
        ("proven", ""), ("unrecoverable", "asked twice: the venue does not have it"), ("proven", ""),
    ]  # fmt: skip


def test_what_a_list_leaves_out_where_two_of_its_pages_meet_comes_by_number_or_its_time_is_lost() -> None:
    """The page ends at 111 and 112 is not on it: it is of the time between them, not of the page below."""

    def without(lists_only: bool) -> Mischief:  # a test's own
        return lambda number, rows: [
            row for row in rows if getattr(row, "seq", 0) != 112 or (lists_only and asked[number].from_id is not None)
        ]

    over, venue = walk(OWN, 1000, 1200, (101, 119)), Venue(STEADY)
    asked = venue.asked
    assert [seq for seq, _ in gone(over, venue, without(lists_only=True))] == list(range(101, 120))
    assert {each[2] for each in states(over)} == {"proven"}
    over, venue = walk(OWN, 1000, 1200, (101, 119)), Venue(STEADY)
    asked = venue.asked
    assert [seq for seq, _ in gone(over, venue, without(lists_only=False))] == [*range(101, 112), *range(113, 120)]
    assert [state for low, high, state in states(over) if low <= 1120 < high] == ["unrecoverable"]
    assert [each for each in states(over) if each[2] == "unrecoverable"] == [(1110.0, 1130.0, "unrecoverable")]


def test_where_the_history_begins_inside_it_what_was_before_is_lost() -> None:
    for call in (SPOT, OWN):
        over = walk(call, 500, 1030)
        assert [seq for seq, _ in gone(over, Venue(STEADY))] == list(range(80, 104))
        assert states(over)[0] == (500.0, 800, "unrecoverable"), "and of the very first instant nobody knows"
        assert over.findings()[0].why == "the venue has no older ones"
        assert over.findings()[1].from_ns == over.findings()[0].to_ns
        assert {each[2] for each in states(over)[1:]} == {"proven"}


def test_where_a_venue_can_list_onwards_it_is_asked_whether_the_oldest_is_the_first() -> None:
    """As of a hole whose older part the venue has forgotten: which number its rest begins with nobody knows."""
    onwards = replace(OWN, walk="time", window_s=600.0)
    for first, ends in ((None, ["proven"]), (79, ["unrecoverable", "proven"])):
        over, venue = walk(onwards, 600, 1030), Venue(STEADY)
        older = [] if first is None else [trade(first, 700.0)]

        def told(number: int, rows: list[Row], older: Sequence[Row] = older) -> Sequence[Row]:
            return rows if venue.asked[number].from_ns is None else [*older, *STEADY_FIRST]  # noqa: B023  # used at once

        assert [seq for seq, _ in gone(over, venue, told)] == list(range(80, 104))
        assert venue.asked[-1].from_ns == seconds(600, 600)[0]
        states_found = [each[2] for each in states(over)]
        assert states_found[: len(ends)] == ends
        assert set(states_found[1:]) == {"proven"}
    assert all(ask.from_ns is None for ask in _asked_of(replace(onwards, window_s=60.0)))


def _asked_of(call: RestCall) -> list[Ask]:
    venue = Venue(STEADY)
    gone(walk(call, 600, 1030), venue)
    return venue.asked


def test_a_list_that_cannot_be_read_leaves_the_rest_open() -> None:
    over, venue = walk(OWN, 1000, 1200, (101, 119)), Venue(STEADY)
    assert [seq for seq, _ in gone(over, venue, lambda number, rows: rows if number == 0 else None)] == list(
        range(112, 120)
    )
    assert [each[0] > 1100 for each in states(over)] == [True]
    over, venue = walk(SPOT, 1000, 1060, (101, 105)), Venue(STEADY)
    assert gone(over, venue, lambda number, rows: rows if number == 0 else None) == []
    assert over.findings() == []
    nothing = ListedWalk("trades", OWN, "X", (5, 5))
    assert nothing.next() is None
    assert (nothing.findings(), nothing.part) == ([], 1.0)


@settings(max_examples=300, deadline=None)
@given(
    kind=st.tuples(st.booleans(), st.booleans()),
    fall=st.tuples(st.integers(20, 60), st.integers(0, 45)),
    hole=st.tuples(st.integers(15, 60), st.integers(1, 25)),
    slip=st.sampled_from(["", "empty", "short", "disorder"]),
    apart_s=st.sampled_from([10.0, 1.0]),
)
def test_nothing_is_ever_proven_that_did_not_come(
    kind: tuple[bool, bool], fall: tuple[int, int], hole: tuple[int, int], slip: str, apart_s: float
) -> None:
    """Wherever numbers begin anew, however many come again, in one answer that is not right or in none."""
    (own, known), (fall_at, repeated) = kind, fall
    told = [
        (place, place * apart_s) if place < fall_at else (place - repeated, place * apart_s + 60.0)
        for place in range(100)
    ]
    low, high = hole[0], hole[0] + hole[1] + 1
    (before, from_s), (after, to_s) = told[low], told[high]
    over = walk(
        OWN if own else SPOT, from_s, to_s, (before + 1, after - 1) if known and before < after else (None, None)
    )

    def slips(number: int, rows: list[Row]) -> Sequence[Row]:
        if number != 0 or not slip:
            return rows
        return {"empty": [], "short": rows[: len(rows) // 2] + rows[len(rows) // 2 + 1 :], "disorder": rows[::-1]}[slip]

    found = gone(over, Venue(told), slips)
    assert len(found) == len(set(found)), "none comes twice"
    assert set(found) <= set(told[low : high + 1])
    for missed in set(told[low + 1 : high]) - set(found):
        said = [state for begin, _, state in states(over) if begin <= missed[1]][-1]
        assert said in {"disputed", "unrecoverable"}, missed


@pytest.mark.parametrize("venue", ["binance", "binance-us", "binance-usdm", "okx"])
def test_every_venue_lists_what_it_repairs(venue: str) -> None:
    rest = venue_named(venue).rest
    assert {name: bool(call.locate) for name, call in rest.items() if call.walk in {"ids", "back", "time"}} == {
        name: True for name in ("trades", "aggtrades") if name in rest and rest[name].walk
    }  # fmt: skip
