from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_continuity import chained, delta, snapshot
from test_latest import bar
from wire_fakes import SECOND_NS, START_NS, TOY, quote, trade

from tapeline.model.channel import channel
from tapeline.model.event import BookDelta, Event, Gap, Notice, Trade
from tapeline.venues.spec import Feed
from tapeline.wire.continuity import ByContent, ByIdentity, ByIds, ByJudge, BySeq, Point
from tapeline.wire.latest import ByOpenTime, ByUpdate
from tapeline.wire.merge import Merge, MergeStatistics, rule_for
from tapeline.wire.track import HOLD_S, OVERLAP_EVENTS, OVERLAP_S

A, B = "toy:A/X", "toy:B/X"
TRADES, QUOTES = TOY.feeds["trades"], TOY.feeds["quotes"]
BOOK = Feed(channel="book", wire_name="b", endpoint="public", judge=chained, snapshot="rest")


def merging() -> Merge:
    merge = Merge()
    merge.declare(A, "trades", TRADES)
    merge.declare(B, "trades", TRADES)
    return merge


def test_series_are_merged_one_by_one() -> None:
    merge = merging()
    both = [trade(1), trade(7, name=B), trade(2), trade(7, name=B), trade(8, name=B), trade(1)]
    assert merge.offer(both, 0.0) == [trade(1), trade(7, name=B), trade(2), trade(8, name=B)]
    assert merge.statistics() == MergeStatistics(series=2, events=4, duplicates=2, gaps=0, unwanted=0, held=0)
    assert [track.instrument for track in merge] == [A, B]


def test_what_nobody_wants_falls_and_is_counted_but_a_venues_notice_passes() -> None:
    merge = merging()
    notice = Notice(None, "notice", None, 0, "ws", "toy", "7", "maintenance")
    assert merge.offer([trade(1, name="toy:Z/X"), quote(1), notice], 0.0) == [notice]
    assert merge.offer([notice], 0.0) == [notice]
    assert merge.statistics().unwanted == 2


def test_a_series_given_up_is_forgotten_with_what_it_held() -> None:
    merge = merging()
    merge.offer([trade(1), trade(5)], 0.0)
    assert (merge.waiting_until, merge.statistics().held) == (HOLD_S, 1)
    merge.forget(A, "trades")
    merge.forget(A, "trades")
    assert (merge.waiting_until, merge.track(A, "trades"), merge.statistics().held) == (None, None, 0)
    assert merge.offer([trade(6)], 0.0) == []
    assert merge.down(A, "trades", "link_down", 0.0) == ()


def test_declaring_twice_changes_nothing() -> None:
    merge = merging()
    track = merge.track(A, "trades")
    assert merge.declare(A, "trades", TRADES, after=Point(START_NS, 0, 50)) is track
    assert merge.offer([trade(7)], 0.0) == [trade(7)]


def test_a_series_goes_on_from_the_store() -> None:
    merge = Merge()
    merge.declare(A, "trades", TRADES, after=Point(START_NS, 0, 50))
    (hole,) = merge.open_gaps(9)
    assert (hole.cause, hole.after_seq, hole.open) == ("restart", 50, True)
    assert merge.offer([trade(50), trade(51)], 0.0) == [trade(51)]
    assert merge.open_gaps(9) == []


def test_what_waited_long_enough_is_released_in_a_fixed_order() -> None:
    merge = merging()
    merge.offer([trade(1, name=B), trade(1), trade(3, name=B), trade(3)], 0.0)
    assert list(merge.release(0.1)) == []
    out = merge.release(HOLD_S)
    assert [(event.instrument, type(event)) for event in out] == [(A, Gap), (A, Trade), (B, Gap), (B, Trade)]
    assert (merge.waiting_until, merge.release(99.0)) == (None, ())


def test_an_outage_releases_what_is_held_then_the_next_event_ends_the_hole() -> None:
    merge = merging()
    merge.offer([trade(1), trade(3)], 0.0)
    assert [type(event) for event in merge.down(A, "trades", "link_down", 0.0)] == [Gap, Trade]
    assert merge.waiting_until is None
    (hole,) = merge.open_gaps(5)
    assert (hole.after_seq, hole.cause) == (3, "link_down")
    gap, event = merge.offer([trade(9)], 1.0)
    assert isinstance(gap, Gap)
    assert (gap.after_seq, gap.before_seq, gap.cause, event) == (3, 9, "link_down", trade(9))


@pytest.mark.parametrize(
    ("channel_name", "feed", "first", "after", "cause"),
    [
        ("trades", TRADES, trade(1), trade(3), "id_jump"),
        ("book", BOOK, delta(1), delta(3), "sequence_jump"),
        ("bars:1m", QUOTES, bar(0, closed=True), bar(2), "missing_bar"),
        ("quotes", QUOTES, quote(1), quote(2), "link_down"),
        ("trades", TRADES, trade(1), trade(3), "silence"),
        ("trades", TRADES, None, trade(3), "restart"),
    ],
)
def test_a_hole_of_every_cause(channel_name: str, feed: Feed, first: Event | None, after: Event, cause: str) -> None:
    merge = Merge()
    merge.declare(A, channel_name, feed, after=None if first is not None else Point(START_NS, 0, 1))
    if first is not None:
        assert list(merge.offer([first], 0.0)) == [first]
    if cause in {"link_down", "silence"}:
        merge.down(A, channel_name, cause, 0.0)
    out = [*merge.offer([after], 1.0), *merge.release(2.0)]
    assert [event.cause for event in out if isinstance(event, Gap)] == [cause]
    assert out[-1] == after


def test_the_rule_of_each_channel() -> None:
    ids = Feed(channel="trades", wire_name="t", endpoint="public", continuity="ids")
    liquidations = TOY.feeds["liquidations"]
    assert [
        type(rule_for(feed, channel(name)))
        for feed, name in [
            (TRADES, "trades"), (ids, "aggtrades"), (QUOTES, "trades"), (QUOTES, "quotes"), (QUOTES, "bars:1m"),
            (BOOK, "book"), (BOOK, "book@100ms"), (BOOK, "book:20"), (QUOTES, "book"), (liquidations, "liquidations"),
        ]
    ] == [BySeq, ByIds, ByIdentity, ByUpdate, ByOpenTime, ByJudge, ByJudge, ByUpdate, ByUpdate, ByContent]  # fmt: skip


# ---- two lanes that carry the same sequence, with drops -----------------------------------------------------------

LANES = st.integers(2, 60).flatmap(
    lambda n: st.tuples(st.sets(st.integers(1, n)), st.sets(st.integers(1, n)), st.lists(st.booleans(), max_size=2 * n))
)


def interleaved(lanes: tuple[set[int], set[int], list[bool]]) -> list[int]:
    """Each lane in its own order, the two mixed as the choices say."""
    one, two, choices = sorted(lanes[0]), sorted(lanes[1]), list(lanes[2])
    out = []
    while one or two:
        first = choices.pop() if choices else bool(one)
        out.append((one or two).pop(0) if first else (two or one).pop(0))
    return out


def holes(numbers: list[int]) -> list[tuple[int | None, int | None]]:
    return [(last, following) for last, following in pairwise(numbers) if following != last + 1]


def told(events: list[Event]) -> list[tuple[int | None, int | None]]:
    return [(event.after_seq, event.before_seq) for event in events if isinstance(event, Gap)]


def numbers(events: list[Event]) -> list[int]:
    return [event.seq for event in events if isinstance(event, Trade) and event.seq is not None]


@given(LANES)
def test_two_lanes_within_the_patience_lose_nothing(lanes: tuple[set[int], set[int], list[bool]]) -> None:
    """While one lane lags the other by less than the overlap's patience and bound: everything from the first event on
    that at least one lane brought is delivered once, in order, and each hole in the union is announced once."""
    merge = merging()
    merge.declare(A, "trades", TRADES).overlap(on=True)
    arrived = interleaved(lanes)
    out = [event for i, seq in enumerate(arrived) for event in merge.offer([trade(seq)], i * 0.001)]
    out += merge.down(A, "trades", "link_down", 1.0)
    union = sorted({seq for seq in arrived if seq >= arrived[0]}) if arrived else []
    assert numbers(out) == union
    assert told(out) == holes(union)
    stats = merge.statistics()
    assert stats.events + stats.duplicates == len(arrived)
    assert stats.gaps == len(told(out))


@given(LANES, st.lists(st.floats(0, 3), min_size=130, max_size=130))
def test_two_lanes_of_any_lag_announce_what_is_lost(
    lanes: tuple[set[int], set[int], list[bool]], steps: list[float]
) -> None:
    """With any lag at all an event may come too late to be delivered, but then a hole that covers it was announced."""
    merge = merging()
    merge.declare(A, "trades", TRADES).overlap(on=True)
    arrived, out, now = interleaved(lanes), list[Event](), 0.0
    for seq, step in zip(arrived, steps, strict=False):
        now += step
        out += merge.release(now)
        out += merge.offer([trade(seq)], now)
    out += merge.down(A, "trades", "link_down", now)
    delivered = numbers(out)
    assert delivered == sorted(set(delivered))
    assert told(out) == holes(delivered)
    for seq in set(arrived) - set(delivered):
        assert seq < delivered[0] or any(
            after is not None and before is not None and after < seq < before for after, before in told(out)
        )


@given(LANES)
def test_a_book_of_two_lanes_is_one_chain(lanes: tuple[set[int], set[int], list[bool]]) -> None:
    """Deltas by the venue's own rule: the same promise."""
    merge = Merge()
    merge.declare(A, "book", BOOK).overlap(on=True)
    arrived = interleaved(lanes)
    out = [event for seq in arrived for event in merge.offer([delta(seq)], 0.0)]
    out += merge.release(1e9)
    union = sorted({seq for seq in arrived if seq >= arrived[0]}) if arrived else []
    assert [event.last_seq for event in out if not isinstance(event, Gap)] == union  # type: ignore[union-attr]  # deltas
    assert told(out) == holes(union)


@given(LANES)
def test_ranges_of_two_lanes_are_one_chain(lanes: tuple[set[int], set[int], list[bool]]) -> None:
    """Merged trades that cover ten ids each."""
    feed = Feed(channel="trades", wire_name="t", endpoint="public", continuity="ids")
    merge = Merge()
    merge.declare(A, "trades", feed).overlap(on=True)
    arrived = interleaved(lanes)
    out = [
        event for n in arrived for event in merge.offer([trade(10 * n + 9, first_id=10 * n, last_id=10 * n + 9)], 0.0)
    ]
    out += merge.release(1e9)
    union = sorted({n for n in arrived if n >= arrived[0]}) if arrived else []
    assert numbers(out) == [10 * n + 9 for n in union]
    assert told(out) == [(10 * a + 9, 10 * b) for a, b in holes(union) if a is not None and b is not None]


def test_a_venue_that_restarts_its_numbers_is_followed() -> None:
    merge = merging()
    merge.offer([trade(1_000_000)], 0.0)
    gap, event = merge.offer([trade(1, at_ns=START_NS + 3600 * SECOND_NS)], 1.0)
    assert isinstance(gap, Gap)
    assert (gap.after_seq, gap.before_seq, gap.cause) == (1_000_000, 1, "id_jump")
    assert numbers([event]) == [1]


def test_it_says_from_when_on_a_series_may_still_bring_something() -> None:
    merge = merging()
    merge.offer([trade(1, at_ns=77), trade(1, name=B, at_ns=78)], 0.0)
    assert merge.lacking_since_ns(A, "trades") is None
    merge.offer([trade(3, at_ns=99)], 0.0)
    assert (merge.lacking_since_ns(A, "trades"), merge.lacking_since_ns(B, "trades")) == (77, None)
    assert merge.lacking_since_ns("toy:C/X", "trades") is None


def test_what_two_lanes_hold_back_is_bounded() -> None:
    """One lane lost an event that the other never brings, again and again: by number and by time."""
    merge = merging()
    track = merge.track(A, "trades")
    assert track is not None
    track.overlap(on=True)
    merge.offer([trade(1)], 0.0)
    merge.offer([trade(seq) for seq in range(3, OVERLAP_EVENTS + 100)], 0.0)
    assert len(track._held) <= OVERLAP_EVENTS
    merge.offer([trade(seq) for seq in range(2 * OVERLAP_EVENTS, 2 * OVERLAP_EVENTS + 50)], 1.0)
    merge.release(1.0 + OVERLAP_S)
    assert (track._held, track.waiting_until, merge.statistics().held) == ([], None, 0)


def test_a_book_changes_connection_only_at_a_sequence_both_have_seen() -> None:
    """Two connections that cut the same changes into different messages: no delta of one is put onto the other's."""
    merge = Merge()
    track = merge.declare(A, "book", BOOK)
    track.overlap(on=True)

    def came(last: int, prev: int, now: float) -> list[int | None]:
        return [each.last_seq for each in merge.offer([delta(last, prev)], now) if isinstance(each, BookDelta)]

    assert merge.offer([snapshot(10)], 0.0)
    one = [(13, 10), (16, 13), (20, 16)]
    other = [(11, 10), (15, 11), (20, 15), (24, 20)]
    assert [came(*one[0], 0.1), came(*other[0], 0.2), came(*other[1], 0.3), came(*one[1], 0.4)] == [[13], [], [], [16]]
    # The first one falls here. What the other brings does not follow 16 until its message ends where one's did.
    assert [came(*other[2], 0.5), came(*one[2], 0.6), came(*other[3], 0.7)] == [[], [20], [24]]
    assert (track.gaps, merge.holding) == (0, set())


def test_where_they_never_meet_it_is_a_gap_after_a_while_and_the_book_begins_anew() -> None:
    merge = Merge()
    track = merge.declare(A, "book", BOOK)
    track.overlap(on=True)
    merge.offer([snapshot(10), delta(13, 10)], 0.0)
    assert merge.offer([delta(15, 11)], 1.0) == []
    assert merge.offer([delta(19, 15)], 2.0) == []
    gap, *rest = merge.release(1.0 + OVERLAP_S)
    assert isinstance(gap, Gap)
    assert (gap.cause, gap.after_seq) == ("sequence_jump", 13)
    assert rest == [delta(15, 11), delta(19, 15)]
