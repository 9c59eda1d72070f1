from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.errors import Unsynchronised
from tapeline.market.book import Book
from tapeline.model.event import BookDelta, BookSnapshot, Level
from tapeline.model.verdict import Verdict

S = 1_000_000_000


def judge(sequence: int | None, delta: BookDelta) -> Verdict:
    """first_seq..last_seq follow each other without a hole; an overlap with the state is allowed."""
    assert delta.first_seq is not None
    assert delta.last_seq is not None
    if sequence is None:
        return Verdict.APPLY
    if delta.last_seq <= sequence:
        return Verdict.STALE
    return Verdict.APPLY if delta.first_seq <= sequence + 1 else Verdict.GAP


def snapshot(seq: int | None, bids: Sequence[Level], asks: Sequence[Level], source: str = "rest") -> BookSnapshot:
    return BookSnapshot("x:A/B", "book", seq, 0, source, bids, asks, None, seq)


def delta(first: int, last: int, bids: Sequence[Level] = (), asks: Sequence[Level] = ()) -> BookDelta:
    return BookDelta("x:A/B", "book", last, 0, "ws", bids, asks, first, last)


def book(*, needs_snapshot: bool = True, pending_max: int = 100) -> Book:
    return Book("x:A/B", "book", judge, needs_snapshot=needs_snapshot, pending_max=pending_max)


def ready() -> Book:
    """At sequence 10: 100 for 1, 99 for 2 against 101 for 1, 102 for 2."""
    made = book()
    made.apply(delta(9, 10), 1 * S)
    assert made.apply(snapshot(10, [("100", "1"), ("99", "2")], [("101", "1"), ("102", "2")]), 1 * S)
    return made


def prices(made: Book) -> tuple[list[str], list[str]]:
    bids, asks = made.top(9)
    return [str(price) for price, _ in bids], [str(price) for price, _ in asks]


def wants(made: Book) -> bool:
    return made.wants_snapshot


def good(made: Book) -> bool:
    return made.synchronised


def test_deltas_wait_for_the_snapshot_and_follow_it() -> None:
    ours = book()
    assert not wants(ours)  # nothing flows yet: a snapshot now could only be too old
    assert not ours.apply(delta(1, 5, [("98", "1")]), 0)
    assert wants(ours)
    assert not ours.apply(delta(6, 8, [("99", "1")]), 0)
    assert not ours.apply(delta(9, 9, (), [("101", "0")]), 0)
    with pytest.raises(Unsynchronised) as error:
        ours.top(1)
    assert (error.value.reason, error.value.age_s) == ("waiting for a snapshot", None)
    assert ours.apply(snapshot(7, [("90", "1")], [("101", "1"), ("102", "1")]), 0)
    assert prices(ours) == (["99", "90"], ["102"])
    assert (ours.synchronised, ours.reason, ours.sequence, ours.at_ns) == (True, "", 9, 9)
    counts = ours.statistics()
    assert (counts.applied, counts.stale, counts.snapshots, counts.pending, counts.levels) == (2, 1, 1, 0, 3)
    assert not wants(ours)


def test_a_book_reads_best_first_in_exact_numbers() -> None:
    ours = ready()
    assert ours.top(1) == ([(Decimal(100), Decimal(1))], [(Decimal(101), Decimal(1))])
    assert ours.best() == ((Decimal(100), Decimal(1)), (Decimal(101), Decimal(1)))
    assert (ours.depth("bid"), ours.depth("ask")) == (2, 2)
    assert [str(price) for price, _ in ours.levels("ask")] == ["101", "102"]
    assert [(side, str(price), str(size)) for side, price, size in ours] == [
        ("bid", "100", "1"), ("bid", "99", "2"), ("ask", "101", "1"), ("ask", "102", "2"),
    ]  # fmt: skip
    assert ours.apply(delta(11, 11, [("100", "0"), ("99", "0")]), 0)
    assert ours.best() == (None, (Decimal(101), Decimal(1)))


def test_a_repeated_delta_changes_nothing() -> None:
    ours = ready()
    assert not ours.apply(delta(8, 10, [("100.5", "1")]), 0)
    assert prices(ours) == (["100", "99"], ["101", "102"])
    assert ours.statistics().stale == 2  # one before the snapshot


def test_a_gap_ends_it_at_once_and_the_rest_waits() -> None:
    ours = ready()
    assert ours.apply(delta(11, 11, [("100", "3")]), 5 * S)
    assert ours.apply(delta(13, 13, [("99.5", "1")]), 6 * S)  # a change: readers now get an error
    assert (ours.synchronised, ours.sequence, ours.wants_snapshot) == (False, None, True)
    assert ours.reason == "gap: the state is at 11, the next delta is 13..13"
    assert not ours.apply(delta(14, 14, [("99.6", "1")]), 8 * S)
    for read in (
        lambda: ours.top(1),
        ours.best,
        lambda: ours.depth("bid"),
        lambda: ours.levels("ask"),
        lambda: list(ours),
    ):
        with pytest.raises(
            Unsynchronised, match=r"book of x:A/B is not synchronised \(gap: .*\); last right 3.000 s ago"
        ):
            read()
    with pytest.raises(Unsynchronised) as error:
        ours.best(15 * S)
    assert error.value.age_s == 10
    assert ours.statistics().levels == 0
    assert ours.apply(snapshot(12, [("97", "1")], [("101", "1")]), 9 * S)
    assert prices(ours) == (["99.6", "99.5", "97"], ["101"])
    counts = ours.statistics()
    assert (counts.gaps, counts.resyncs) == (1, 1)


def test_a_snapshot_older_than_the_stream_is_not_enough() -> None:
    ours = book()
    ours.apply(delta(20, 21, [("99", "1")]), 0)
    ours.apply(delta(22, 22, [("98", "1")]), 0)
    assert not ours.apply(snapshot(18, [("97", "1")], [("101", "1")]), 0)
    assert ours.reason == "the snapshot, at 18, is older than the stream, from 20"
    assert wants(ours)
    assert ours.statistics().gaps == 0
    assert ours.apply(snapshot(20, [("97", "1")], [("101", "1")]), 0)  # the second one will do
    assert prices(ours)[0] == ["99", "98", "97"]


def test_a_gap_among_what_waits_needs_another_snapshot() -> None:
    ours = book()
    for number in (1, 2, 4, 5):
        ours.apply(delta(number, number, [(str(90 + number), "1")]), 0)
    assert not ours.apply(snapshot(1, [("90", "1")], [("101", "1")]), 0)
    assert ours.reason == "gap: the state is at 2, the next delta is 4..4"
    assert ours.apply(snapshot(3, [("90", "1")], [("101", "1")]), 0)
    assert prices(ours)[0] == ["95", "94", "90"]
    assert ours.statistics().gaps == 1


def test_what_waits_is_bounded() -> None:
    ours = book(pending_max=2)
    for number in (1, 2, 3):
        ours.apply(delta(number, number), 0)
    assert ours.statistics().pending == 2
    assert not ours.apply(snapshot(0, [("90", "1")], [("101", "1")]), 0)
    assert ours.apply(snapshot(1, [("90", "1")], [("101", "1")]), 0)


def test_a_rest_snapshot_without_a_stream_waits_for_one() -> None:
    ours = ready()
    ours.unsynchronise("link down", 2 * S)
    assert not ours.apply(snapshot(30, [("97", "1")], [("101", "1")]), 3 * S)
    with pytest.raises(Unsynchronised, match="link down"):  # nothing keeps it up to date
        ours.best()
    assert ours.apply(delta(31, 31, [("98", "1")]), 4 * S)
    assert prices(ours)[0] == ["98", "97"]
    ours.unsynchronise("link down", 5 * S)
    ours.apply(snapshot(40, [("97", "1")], [("101", "1")]), 5 * S)
    assert not ours.apply(delta(43, 43), 6 * S)  # it was too old by then
    assert wants(ours)


def test_an_older_rest_snapshot_does_not_take_a_good_book_back() -> None:
    ours = ready()
    assert not ours.apply(snapshot(9, [("1", "1")], [("2", "1")]), 0)
    assert prices(ours)[0] == ["100", "99"]
    assert ours.apply(snapshot(9, [("1", "1")], [("2", "1")], "ws"), 0)  # the stream's own word: it started anew
    assert prices(ours) == (["1"], ["2"])
    assert ours.statistics().resyncs == 0  # it had never been wrong


def test_a_crossed_book_is_given_up() -> None:
    ours = ready()
    assert ours.apply(delta(11, 11, [("101", "1")]), 0)
    assert ours.reason == "crossed: best bid 101, best ask 101"
    assert not wants(ours)  # not before something flows that it can keep up with
    assert not ours.apply(delta(12, 12), 0)
    assert wants(ours)
    assert not ours.apply(snapshot(12, [("5", "1")], [("4", "1")]), 0)
    assert ours.reason == "crossed: best bid 5, best ask 4"
    assert ours.apply(snapshot(12, [("3", "1")], [("4", "1")]), 0)
    assert ours.statistics().crossed == 2


@pytest.mark.parametrize("level", [("NaN", "1"), ("100", "-1"), ("1,300", "1")])
def test_impossible_text_ends_it(level: Level) -> None:
    ours = ready()
    assert ours.apply(delta(11, 11, (), [level]), 0)
    assert ours.reason.startswith("impossible: ")
    with pytest.raises(Unsynchronised):
        ours.best()
    ours.apply(delta(12, 12), 0)
    assert not ours.apply(snapshot(12, [level], []), 0)  # the second failure
    assert ours.apply(snapshot(12, [("1", "1")], []), 0)
    assert ours.statistics().bad == 2
    assert ours.apply(snapshot(13, [level], [], "ws"), 0)


def test_a_lost_stream_takes_the_levels_with_it() -> None:
    ours = ready()
    ours.unsynchronise("link_down", 4 * S)
    assert (ours.synchronised, ours.reason, ours.at_ns, ours.wants_snapshot) == (False, "link_down", None, False)
    with pytest.raises(Unsynchronised) as error:
        ours.top(1)
    assert error.value.age_s == 3


def test_where_each_message_is_the_whole_each_replaces_all() -> None:
    ours = Book("x:A/B", "book:20", None, needs_snapshot=False)
    assert ours.apply(snapshot(None, [("1", "1")], [("2", "1")], "ws"), 0)
    assert ours.apply(snapshot(None, [("1.5", "1")], [("2", "1")], "ws"), 0)
    assert prices(ours) == (["1.5"], ["2"])
    assert ours.apply(snapshot(None, [("3", "1")], [("2", "1")], "ws"), 0)
    assert not good(ours)
    assert ours.apply(snapshot(None, [("1", "1")], [("2", "1")], "ws"), 0)
    assert ours.statistics().resyncs == 1
    assert ours.apply(delta(1, 1, [("1.7", "1")]), 0)  # no judge: trusted
    assert prices(ours) == (["1.7", "1"], ["2"])


def test_where_no_snapshot_comes_the_first_delta_starts_it() -> None:
    ours = book(needs_snapshot=False)
    assert ours.apply(delta(5, 5, [("1", "1")]), 0)
    assert ours.apply(delta(6, 6, [("2", "1")]), 0)
    assert prices(ours)[0] == ["2", "1"]
    assert ours.apply(delta(8, 8), 0)
    assert not ours.apply(delta(9, 9), 0)  # a beginning is not to be had twice
    assert wants(ours)


@given(st.data())
def test_whatever_is_lost_doubled_or_late_no_wrong_level_is_ever_shown(data: st.DataObject) -> None:
    truth: dict[int, dict[str, str]] = {0: {"50": "1"}}
    deltas = []
    for number in range(1, 30):
        price, size = str(data.draw(st.integers(40, 60))), data.draw(st.sampled_from(["0", "1", "2"]))
        after = {**truth[number - 1], price: size}
        truth[number] = {key: value for key, value in after.items() if value != "0"}
        deltas.append(delta(number, number, [(price, size)]))
    ours = book()
    for one in deltas:
        for event in [one] * data.draw(st.sampled_from([0, 1, 1, 1, 2])):
            ours.apply(event, 0)
        if data.draw(st.integers(0, 3)) == 0:
            assert one.last_seq is not None
            at = max(0, one.last_seq - data.draw(st.integers(0, 4)))
            ours.apply(snapshot(at, list(truth[at].items()), []), 0)
        if ours.synchronised:
            assert ours.sequence is not None
            assert {str(price): str(size) for price, size in ours.top(99)[0]} == truth[ours.sequence]
