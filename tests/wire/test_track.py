from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_continuity import chained, delta, snapshot
from test_latest import bar
from wire_fakes import SECOND_NS, START_NS, quote, trade

from tapeline.model.event import Event, Gap, Trade
from tapeline.wire.continuity import ByIds, ByJudge, BySeq, Point, Rule
from tapeline.wire.latest import ByOpenTime, ByUpdate
from tapeline.wire.track import HOLD_EVENTS, HOLD_S, OVERLAP_S, Track


def a_track(rule: Rule | None = None) -> Track:
    return Track("toy:A/X", "trades", rule or BySeq())


def feed(track: Track, *events: Any, now: float = 0.0) -> list[Event]:
    """As Merge does it."""
    out: list[Event] = []
    for event in events:
        if track.follows(event):
            track.count += 1
            track.last = event
            out.append(event)
        else:
            out.extend(track.admit(event, now))
    return out


def seqs(events: Any) -> list[Any]:
    """Trades by seq, gaps as (after, before, cause)."""
    return [(e.after_seq, e.before_seq, e.cause) if isinstance(e, Gap) else e.seq for e in events]


def waits(track: Track) -> float | None:
    return track.waiting_until


def test_what_follows_passes_and_repeats_fall() -> None:
    assert a_track().point is None
    track = a_track()
    assert seqs(feed(track, trade(5), trade(6), trade(6), trade(7), trade(5))) == [5, 6, 7]
    assert (track.count, track.duplicates, track.gaps) == (3, 2, 0)
    assert track.point == Point(trade(7).at_ns, 0, 7)
    assert not track.release(99.0)


def test_a_first_event_that_comes_late_ends_a_hole_since_it_was_wanted() -> None:
    track = a_track()
    track.expect(START_NS)
    assert track.open_gap(1) is None, "nothing of it was ever seen"
    gap, first = feed(track, trade(9, at_ns=START_NS + 31 * SECOND_NS))
    assert isinstance(gap, Gap)
    assert (gap.after_ns, gap.before_ns, gap.after_seq, gap.before_seq, gap.cause) == (
        START_NS, START_NS + 31 * SECOND_NS, None, 9, "late_start",
    )  # fmt: skip
    assert seqs([first, *feed(track, trade(10), trade(12), now=0.0), *track.release(9.0)]) == [
        9, 10, (10, 12, "id_jump"), 12,
    ]  # fmt: skip


@pytest.mark.parametrize("late_s", [0, 29, -3600, 90_000])
def test_a_first_event_on_time_or_of_another_time_ends_none(late_s: int) -> None:
    track = a_track()
    track.expect(START_NS)
    track.down("link_down")
    assert seqs(feed(track, trade(9, at_ns=START_NS + late_s * SECOND_NS), trade(10))) == [9, 10]
    assert (track.count, track.gaps) == (2, 0)


def test_an_event_ahead_waits_and_what_it_jumped_over_is_put_in_order() -> None:
    track = a_track()
    feed(track, trade(1))
    assert feed(track, trade(4), trade(3), now=10.0) == []
    assert waits(track) == 10.0 + HOLD_S
    assert seqs(feed(track, trade(2), now=10.1)) == [2, 3, 4]
    assert waits(track) is None
    assert track.follows(trade(5))


def test_a_hole_is_announced_before_the_event_that_ends_it() -> None:
    track = a_track()
    feed(track, trade(1, received_ns=11))
    feed(track, trade(5, received_ns=55), now=10.0)
    assert not track.release(10.0 + HOLD_S - 0.01)
    hole, event = track.release(10.0 + HOLD_S)
    assert hole == Gap(
        "toy:A/X", "trades", START_NS + 5, 55, "built", START_NS + 1, START_NS + 5, 1, 5, "id_jump", open=False
    )
    assert event == trade(5, received_ns=55)
    assert seqs(feed(track, trade(3), trade(6))) == [6]  # too late: it is a repeat as far as anyone can say
    assert (track.gaps, track.count, track.duplicates) == (1, 3, 1)


def test_each_hole_waits_on_its_own() -> None:
    track = a_track()
    feed(track, trade(1))
    feed(track, trade(3), now=0.0)
    feed(track, trade(6), now=0.2)
    assert seqs(track.release(0.25)) == [(1, 3, "id_jump"), 3]
    assert track.waiting_until == 0.2 + HOLD_S  # what 6 jumped over may still come
    assert seqs(feed(track, trade(5), trade(4), now=0.3)) == [4, 5, 6]


def test_a_hole_filled_gives_the_next_one_its_own_time() -> None:
    track = a_track()
    feed(track, trade(1))
    feed(track, trade(3), now=0.0)
    feed(track, trade(6), now=0.2)
    assert seqs(feed(track, trade(2), now=0.21)) == [2, 3]
    assert track.waiting_until == 0.2 + HOLD_S


def test_what_is_held_is_bounded_and_no_repeat_is_held_twice() -> None:
    track = a_track()
    feed(track, trade(1))
    for seq in range(3, 3 + HOLD_EVENTS):
        assert feed(track, trade(seq), trade(seq)) == []
    assert (len(track._held), track.duplicates) == (HOLD_EVENTS, HOLD_EVENTS)
    out = feed(track, trade(3 + HOLD_EVENTS))
    assert seqs(out) == [(1, 3, "id_jump"), *range(3, 4 + HOLD_EVENTS)]
    assert track._held == []


def test_two_lanes_make_it_patient() -> None:
    track = a_track()
    track.overlap(on=True)
    feed(track, trade(1))
    for seq in range(3, 3 + 10 * HOLD_EVENTS):
        assert feed(track, trade(seq)) == []
    assert track.waiting_until == OVERLAP_S
    track.overlap(on=False)
    assert track.waiting_until == HOLD_S
    assert seqs(track.release(HOLD_S))[:2] == [(1, 3, "id_jump"), 3]


def test_many_events_held_are_let_go_in_good_time() -> None:
    track = a_track()
    track.overlap(on=True)
    feed(track, trade(0))
    events = [trade(seq) for seq in range(10_000, 20_000)]
    assert feed(track, *events) == []
    out = feed(track, *(trade(seq) for seq in range(1, 10_000)))  # once quadratic: a minute instead of a moment
    assert seqs(out) == list(range(1, 20_000))


# ---- outages -----------------------------------------------------------------------------------------------------


def test_after_an_outage_contiguous_ids_prove_that_nothing_is_missing() -> None:
    track = a_track()
    feed(track, trade(1))
    track.down("link_down")
    assert not track.follows(trade(2))
    assert seqs(feed(track, trade(1), trade(2), trade(3))) == [2, 3]
    assert (track.gaps, track.duplicates, track.broken) == (0, 1, "")


def test_after_an_outage_a_jump_is_a_hole_at_once() -> None:
    track = a_track()
    feed(track, trade(1))
    track.down("link_down")
    track.down("silence")  # the first cause is the one that counts
    assert seqs(feed(track, trade(4))) == [(1, 4, "link_down"), 4]


def test_after_an_outage_a_series_without_proof_has_a_hole() -> None:
    track = Track("toy:A/X", "quotes", ByUpdate())
    feed(track, quote(1, received_ns=10))
    track.down("link_down")
    assert feed(track, quote(1, received_ns=20)) == []
    hole, event = feed(track, quote(2, received_ns=30))
    assert isinstance(hole, Gap)
    assert (hole.after_ns, hole.before_ns, hole.after_seq, hole.before_seq) == (10, 30, 1, 2)
    assert (hole.at_ns, hole.cause, event) == (None, "link_down", quote(2, received_ns=30))


def test_nothing_is_missing_where_nothing_was_ever_there() -> None:
    track = a_track()
    track.down("link_down")
    assert seqs(feed(track, trade(7))) == [7]
    assert track.open_gap(5) is None


def test_what_is_held_must_be_released_before_the_end_is_told() -> None:
    track = a_track()
    feed(track, trade(1), trade(3))
    with pytest.raises(AssertionError, match="1 events held"):
        track.down("link_down")
    assert seqs(track.release(0.0, at_once=True)) == [(1, 3, "id_jump"), 3]
    track.down("link_down")
    assert track.broken == "link_down"


def test_a_hole_that_nothing_ended_is_open() -> None:
    track = a_track()
    feed(track, trade(3))
    track.down("link_down")
    assert track.open_gap(99) == Gap(
        "toy:A/X", "trades", None, 99, "built", START_NS + 3, None, 3, None, "link_down", open=True
    )


def test_a_series_goes_on_from_what_a_store_holds() -> None:
    def resumed() -> Track:
        track = a_track()
        track.resume(Point(START_NS, 77, 10))
        return track

    assert seqs(feed(resumed(), trade(9), trade(11), trade(12))) == [11, 12]
    assert seqs(feed(resumed(), trade(30), trade(31))) == [(10, 30, "restart"), 30, 31]
    assert resumed().point == Point(START_NS, 77, 10)
    hole = resumed().open_gap(1)
    assert hole is not None
    assert (hole.after_ns, hole.cause, hole.open) == (START_NS, "restart", True)


# ---- a venue that numbers anew -----------------------------------------------------------------------------------


def test_old_numbers_on_much_newer_events_begin_a_new_series() -> None:
    track = a_track()
    feed(track, trade(1000), trade(1002))
    later = START_NS + 120 * SECOND_NS
    assert seqs(feed(track, trade(5, at_ns=later), trade(6, at_ns=later))) == [
        (1000, 1002, "id_jump"), 1002, (1002, 5, "id_jump"), 5, 6,
    ]  # fmt: skip
    track.down("link_down")
    assert seqs(feed(track, trade(1, at_ns=later + 120 * SECOND_NS))) == [(6, 1, "link_down"), 1]


def test_an_outage_over_which_numbers_follow_each_other_is_no_hole_and_is_noted() -> None:
    """As many numbers may have come again as were missed: whoever can ask by time does."""
    track = a_track()
    feed(track, trade(1000))
    before = track.point
    track.down("link_down")
    after = trade(1001, at_ns=START_NS + 120 * SECOND_NS)
    assert seqs(feed(track, after)) == [1001]
    assert track.outage == (before, after)
    other = a_track()
    feed(other, trade(1000))
    other.down("link_down")
    assert seqs(feed(other, trade(1002))) == [(1000, 1002, "link_down"), 1002]
    assert other.outage is None, "there is a hole, and it is looked at"


@pytest.mark.parametrize("at_ns", [START_NS + 4 * SECOND_NS, START_NS, START_NS - SECOND_NS])
def test_a_repeat_is_a_repeat(at_ns: int) -> None:
    track = a_track()
    feed(track, trade(1000))
    assert feed(track, trade(5, at_ns=at_ns)) == []
    assert track.duplicates == 1


def test_a_heartbeat_of_a_book_is_not_a_new_numbering() -> None:
    track = Track("toy:A/X", "book", ByJudge(chained))
    feed(track, snapshot(10))
    late = delta(10, 10)
    assert feed(track, late) == [late]


def test_a_trade_without_stamp_is_judged_by_number_alone() -> None:
    track = a_track(ByIds())
    feed(track, trade(9, first_id=1, last_id=9))
    none = trade(3, first_id=1, last_id=3)
    assert feed(track, none) == []


# ---- books and bars ----------------------------------------------------------------------------------------------


def test_a_books_snapshot_ends_the_wait() -> None:
    track = Track("toy:A/X", "book", ByJudge(chained))
    feed(track, snapshot(10), delta(11))
    assert feed(track, delta(14), delta(13)) == []
    assert feed(track, snapshot(13)) == [snapshot(13), delta(14)]


def test_a_book_after_an_outage() -> None:
    track = Track("toy:A/X", "book", ByJudge(chained))
    feed(track, snapshot(10))
    track.down("link_down")
    out = feed(track, snapshot(12), delta(13))
    assert [type(event).__name__ for event in out] == ["Gap", "BookSnapshot", "BookDelta"]
    track.down("link_down")
    assert feed(track, snapshot(13)) == [snapshot(13)]  # nothing has moved


def test_a_bars_hole_does_not_wait() -> None:
    track = Track("toy:A/X", "bars:1m", ByOpenTime("1m"))
    out = feed(track, bar(0, closed=True), bar(2))
    hole = out[1]
    assert isinstance(hole, Gap)
    assert (hole.after_seq, hole.before_seq, hole.cause) == (bar(0).open_at_ns, bar(2).open_at_ns, "missing_bar")
    assert out[2] == bar(2)


# ---- any order ---------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 40), st.floats(0, 0.4))), st.booleans())
def test_whatever_comes_the_series_is_in_order_and_every_jump_is_announced(
    said: list[tuple[int, float]], overlap: bool
) -> None:
    """Holds at any time, with any patience: out is strictly increasing, and a Gap stands exactly where it jumps."""
    track, out, now = a_track(), list[Event](), 0.0
    track.overlap(on=overlap)
    for seq, after_s in said:
        now += after_s
        out += track.release(now)
        out += feed(track, trade(seq), now=now)
        assert track._held == sorted(track._held)
    out += track.release(now, at_once=True)
    last: int | None = None
    for before, event in pairwise([None, *out]):
        if isinstance(event, Gap):
            assert event.after_seq == last
            continue
        assert isinstance(event, Trade)
        assert event.seq is not None
        if isinstance(before, Gap):
            assert before.before_seq == event.seq
            assert last is not None
            assert event.seq > last + 1
        else:
            assert last is None or event.seq == last + 1
        last = event.seq
    assert not out or not isinstance(out[-1], Gap)
    assert track.count == sum(not isinstance(event, Gap) for event in out)
    assert track.count + track.duplicates == len(said)


def test_beside_another_lane_a_bar_waits_for_the_one_before_it_to_close() -> None:
    track = Track("toy:A/X", "bars:1m", ByOpenTime("1m"))
    track.overlap(on=True)
    assert feed(track, bar(0)) == [bar(0)]
    assert feed(track, bar(1), bar(1, closed=True), now=1.0) == []  # the closing of the first comes on the slower lane
    closing = bar(0, closed=True)
    assert feed(track, closing, now=2.0) == [closing, bar(1, closed=True)]
    assert track.gaps == 0
    assert feed(track, bar(3), now=3.0) == []
    gap, last = track.release(3.0 + OVERLAP_S)
    assert isinstance(gap, Gap)
    assert (gap.cause, last) == ("missing_bar", bar(3))


def test_it_says_from_when_on_something_may_still_come() -> None:
    track, said = a_track(), list[int | None]()
    for seq in (0, 1, 3, 2):
        feed(track, trade(seq, at_ns=70 + seq))
        said.append(track.lacking_since_ns)
    assert said == [None, None, 71, None]


@given(st.lists(st.integers(1, 12), max_size=40), st.sampled_from([BySeq, ByIds, lambda: ByJudge(chained), ByUpdate]))
def test_what_is_told_to_be_a_repeat_quickly_is_one(numbers: list[int], rule: Any) -> None:
    """Taking the quick way for repeats changes nothing."""
    made: dict[Any, Any] = {
        ByIds: lambda n: trade(n, first_id=n, last_id=n),
        BySeq: trade,
        ByUpdate: lambda n: quote(n, received_ns=START_NS + n),
    }
    quick, slow = a_track(rule()), a_track(rule())
    for n in numbers:
        event = made.get(rule, delta)(n)
        told = list(feed(slow, event))
        if quick.follows(event):
            quick.count += 1
            quick.last = event
            assert told == [event]
        else:
            assert ([] if quick.repeated(event) else list(quick.admit(event, 0.0))) == told
    assert (quick.count, quick.duplicates, quick.gaps) == (slow.count, slow.duplicates, slow.gaps)


def test_old_numbers_of_a_venue_that_numbers_anew_are_no_repeats() -> None:
    track = a_track()
    feed(track, trade(500, at_ns=START_NS))
    anew = trade(3, at_ns=START_NS + 61 * SECOND_NS)
    assert not track.repeated(anew)
    assert track.repeated(trade(499, at_ns=START_NS))
    track.down("link_down")
    assert not track.repeated(trade(498, at_ns=START_NS)), "while a hole is open, admit decides"
