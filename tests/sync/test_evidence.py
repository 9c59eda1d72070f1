"""What a live stream proves, told by events as the bus delivers them; held against the truth by random streams."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.model.channel import channel as parse_channel
from tapeline.model.event import Bar, Gap, Quote, Trade
from tapeline.model.fact import Fact, Wanted
from tapeline.sync.coverage import Coverage
from tapeline.sync.evidence import Evidence, evidence_for
from tapeline.venues.spec import Feed
from tapeline.wire.merge import rule_for
from tapeline.wire.track import Track

WHO = "v:A/B"
MINUTE = 60_000_000_000
ONE = Decimal(1)
IDS = Feed(channel="trades", wire_name="t", endpoint="public", continuity="seq", evidence="ids", repair="trades")
LOST = Feed(channel="trades", wire_name="t", endpoint="public", continuity="seq", evidence="ids")
COUNT = Feed(channel="trades", wire_name="t", endpoint="public", continuity="ids", evidence="count", repair="trades")
BARS = Feed(channel="bars", wire_name="k", endpoint="public", intervals=("1m",), evidence="bars", repair="bars")
QUOTES = Feed(channel="quotes", wire_name="q", endpoint="public")


def trade(seq: int | None, at_ns: int | None, first: int | None = None, *, source: str = "ws") -> Trade:
    return Trade(WHO, "trades", at_ns, 1000 + (at_ns or 0), source, str(seq), seq, "buy", ONE, ONE, first, seq)


def gap(after_ns: int | None, before_ns: int | None, cause: str = "link_down", **changes: Any) -> Gap:
    values: dict[str, Any] = {"after_seq": None, "before_seq": None} | changes
    channel = values.pop("channel", "trades")
    return Gap(WHO, channel, None, 5000, "built", after_ns, before_ns, values.pop("after_seq"),
               values.pop("before_seq"), cause, **values)  # fmt: skip


def bar(minute: int, *, closed: bool = True, source: str = "ws") -> Bar:
    return Bar(
        WHO, "bars:1m", None, minute * MINUTE + 7, source, "1m", minute * MINUTE, ONE, ONE, ONE, ONE, ONE, ONE, 1, ONE,
        None, None, closed,
    )  # fmt: skip


class Book:
    """What a ledger would hold."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence, self.facts, self.wanted = evidence, list[Fact](), list[Wanted]()

    def hear(self, *events: Any) -> "Book":
        for event in events:
            self._note(self.evidence.take(event))
        return self.asked()

    def asked(self) -> "Book":
        self._note(self.evidence.due())
        return self

    def _note(self, notes: Any) -> None:
        self.facts += [note for note in notes if isinstance(note, Fact)]
        self.wanted += [note for note in notes if isinstance(note, Wanted)]

    @property
    def coverage(self) -> Coverage:
        return Coverage(self.facts)

    @property
    def spans(self) -> list[tuple[int, int, str]]:
        return [(span.from_ns, span.to_ns, span.state) for span in self.coverage.spans()]


def trades(feed: Feed = IDS, **options: Any) -> Book:
    return Book(evidence_for(WHO, "trades", feed, **options))


def test_a_span_grows_in_place_and_the_last_stamp_waits_for_a_later_one() -> None:
    book = trades().hear(trade(5, 100))
    assert book.spans == []
    book.hear(trade(6, 100), trade(7, 120)).hear(trade(8, 150))
    assert book.spans == [(101, 150, "proven")]
    last = book.facts[-1]
    assert (last.evidence, last.source, last.why) == ("ids", "ws", "ids without a hole")
    assert (last.first_seq, last.last_seq, last.known_at_ns) == (5, 8, 1150)
    assert len({(fact.run, fact.from_ns) for fact in book.facts}) == 1, "one row of the ledger"
    assert book.wanted[-1] == Wanted(WHO, "trades", 101, 150, "live")
    before = len(book.facts)
    assert len(book.asked().facts) == before, "nothing has grown"


def test_a_gap_ends_it_and_the_instants_at_both_ends_are_not_claimed() -> None:
    book = trades().hear(trade(1, 100), trade(2, 110), gap(110, 200), trade(9, 200), trade(10, 200), trade(11, 230))
    assert book.spans == [(101, 110, "proven"), (110, 201, "missing"), (201, 230, "proven")]
    assert [fact.cause for fact in book.facts if fact.state == "missing"] == ["link_down"]
    assert book.coverage.to_fetch((101, 230)) == [(110, 201)]


def test_where_no_call_brings_it_back_it_is_lost_at_once_and_says_why() -> None:
    book = trades(LOST).hear(trade(1, 100), trade(2, 110), gap(110, 200), trade(9, 200))
    assert book.spans == [(101, 110, "proven"), (110, 201, "unrecoverable")]
    assert book.facts[-1].why == "no REST call of the venue brings trades back"
    assert book.wanted[-1].lost == book.facts[-1].why


def test_a_venue_that_numbers_anew_leaves_a_hole_that_no_number_names() -> None:
    book = trades().hear(trade(900, 100), gap(100, 200, "id_jump", after_seq=900, before_seq=3), trade(3, 200))
    assert book.spans == [(100, 201, "missing")]
    (hole,) = book.coverage.stretches((100, 201))
    assert not hole.numbered, "it is asked for by time"


def test_a_gap_between_neighbours_is_none() -> None:
    book = trades().hear(trade(1, 100), gap(100, 200, after_seq=1, before_seq=2), trade(2, 200))
    assert book.spans == [(101, 200, "proven")]


def test_messages_that_say_how_many_they_cover() -> None:
    book = trades(COUNT).hear(trade(5, 100, 3), trade(9, 110, 6), trade(10, 120, 9), trade(10, 120, 10))
    assert book.spans == [(101, 120, "proven")]
    assert (book.facts[-1].evidence, book.facts[-1].first_seq, book.facts[-1].last_seq) == ("count", 3, 10)
    book.hear(trade(14, 130, 12))
    assert book.spans == [(101, 120, "proven"), (120, 131, "missing")], "11 is missing, though nobody said so"


def test_what_repair_brings_out_of_order_says_nothing_of_the_stream() -> None:
    book = trades().hear(trade(1, 100), gap(100, 200), trade(9, 200), trade(10, 210))
    book.hear(trade(4, 150, source="rest"), trade(11, 220, source="rest"), trade(11, 220), trade(12, 230))
    assert book.spans == [(100, 201, "missing"), (201, 230, "proven")]


def test_a_restart_goes_on_where_the_ids_do() -> None:
    before = trades().hear(trade(1, 100), trade(2, 110))
    resumed = before.facts[-1]
    book = trades(resumed=resumed, wanted_ns=101).hear(trade(3, 300), trade(4, 310))
    assert book.facts[-1].run == resumed.run
    assert Coverage([*before.facts, *book.facts]).spans()[0].to_ns == 310
    assert len(Coverage([*before.facts, *book.facts]).spans()) == 1
    assert book.wanted == [Wanted(WHO, "trades", 101, 310, "live")]


def test_a_restart_with_a_hole_is_a_hole_like_any_other() -> None:
    resumed = trades().hear(trade(1, 100), trade(2, 110)).facts[-1]
    book = trades(resumed=resumed, wanted_ns=101)
    book.hear(gap(110, 300, "restart", after_seq=2, before_seq=8), trade(8, 300), trade(9, 310))
    assert book.spans == [(101, 110, "proven"), (110, 301, "missing"), (301, 310, "proven")]
    assert book.facts[1].cause == "restart"


def test_a_restart_after_a_crash_claims_nothing_that_was_not_noted() -> None:
    resumed = trades().hear(trade(1, 100), trade(2, 110)).facts[-1]
    book = trades(resumed=resumed, wanted_ns=101).hear(trade(7, 300), trade(8, 310))
    assert book.spans == [(101, 110, "proven"), (110, 301, "missing"), (301, 310, "proven")]
    assert [fact.cause for fact in book.facts if fact.cause] == ["restart"]


def test_a_restart_without_a_ledger_wants_what_its_gap_names() -> None:
    book = trades().hear(gap(110, 300, "restart"), trade(8, 300), trade(9, 310))
    assert book.spans == [(110, 301, "missing"), (301, 310, "proven")]
    assert book.wanted[-1] == Wanted(WHO, "trades", 110, 310, "live")


def test_a_hole_that_nobody_has_ended_is_not_told_yet() -> None:
    book = trades().hear(trade(1, 100), trade(2, 110), gap(110, None, open=True))
    assert book.spans == [(101, 110, "proven")]
    assert trades().hear(gap(None, None)).spans == []
    assert trades().hear(trade(1, 100), gap(None, 300)).spans == [(100, 301, "missing")]


def test_trades_without_a_number_or_a_stamp() -> None:
    book = trades().hear(trade(1, 100), trade(2, 110), trade(None, 120), trade(4, 130), trade(5, 140))
    assert book.spans == [
        (101, 110, "proven"), (110, 120, "missing"), (120, 131, "missing"), (131, 140, "proven"),
    ], "a trade is held between them"  # fmt: skip
    book = trades().hear(trade(1, None), trade(2, None))
    assert book.spans == [], "received at one instant, which is not proven"
    assert trades().hear(trade(2, 100), trade(3, 110), trade(1, 105)).spans == [(101, 110, "proven")]


def test_one_wild_stamp_claims_no_future_for_good() -> None:
    wild = 10**18
    book = trades().hear(trade(1, 100), trade(2, wild)).hear(trade(3, 120))
    assert book.spans == [(101, 120, "proven")], "it was told, and taken back"
    book = trades().hear(trade(1, 100), trade(2, 110), trade(3, wild), gap(wild, 200), trade(9, 200))
    assert book.spans == [(101, 110, "proven"), (110, wild + 1, "missing")]
    book.hear(trade(10, 210), trade(11, 220))
    assert book.spans[1:] == [(110, 201, "missing"), (201, 220, "proven"), (220, wild + 1, "missing")]
    first = trades().hear(gap(100, 200), trade(5, wild), gap(wild, 300), trade(9, 300))
    assert first.spans == [(100, 201, "missing"), (201, wild + 1, "missing")]


def test_bars_follow_each_other_from_the_one_we_joined_in() -> None:
    book = Book(evidence_for(WHO, "bars:1m", BARS)).hear(bar(1, closed=False))
    assert book.spans == []
    book.hear(bar(1), bar(2, closed=False), bar(2), bar(3, closed=False))
    assert book.spans == [(MINUTE, 3 * MINUTE, "proven")]
    assert (book.facts[-1].evidence, book.facts[-1].why) == ("bars", "bar follows bar")
    book.hear(gap(1, 2, channel="bars:1m"), bar(3), bar(4))
    assert book.spans == [(MINUTE, 5 * MINUTE, "proven")], "a cut within a bar hides none"


def test_bars_that_are_missing_are_whole_bars_with_the_cause_of_the_gap() -> None:
    book = Book(evidence_for(WHO, "bars:1m", BARS)).hear(bar(1), bar(2, closed=False))
    book.hear(gap(1, 2, channel="bars:1m"), bar(5), bar(3, source="rest"), bar(6), bar(9))
    assert book.spans == [
        (MINUTE, 2 * MINUTE, "proven"), (2 * MINUTE, 5 * MINUTE, "missing"), (5 * MINUTE, 7 * MINUTE, "proven"),
        (7 * MINUTE, 9 * MINUTE, "missing"), (9 * MINUTE, 10 * MINUTE, "proven"),
    ]  # fmt: skip
    assert [fact.cause for fact in book.facts if fact.cause] == ["link_down", "missing_bar"]


def test_bars_go_on_after_a_restart() -> None:
    resumed = Book(evidence_for(WHO, "bars:1m", BARS)).hear(bar(1)).facts[-1]
    on = Book(evidence_for(WHO, "bars:1m", BARS, resumed=resumed, wanted_ns=MINUTE)).hear(bar(2))
    assert on.facts[-1].run == resumed.run
    assert on.spans == [(MINUTE, 3 * MINUTE, "proven")]
    late = Book(evidence_for(WHO, "bars:1m", BARS, resumed=resumed, wanted_ns=MINUTE))
    late.hear(gap(1, 2, open=True, channel="bars:1m"), bar(4))
    assert late.spans[1] == (2 * MINUTE, 4 * MINUTE, "missing")
    assert [fact.cause for fact in late.facts if fact.cause] == ["restart"]


def test_a_bar_from_the_future_ends_no_series() -> None:
    book = Book(evidence_for(WHO, "bars:1m", BARS)).hear(bar(1), bar(900, closed=False))
    book.hear(gap(1, 2, "missing_bar", channel="bars:1m"), bar(3), bar(4))
    assert book.spans[0] == (MINUTE, 2 * MINUTE, "proven")
    assert book.spans[2] == (3 * MINUTE, 5 * MINUTE, "proven")


def test_a_feed_that_proves_nothing_has_only_holes() -> None:
    book = Book(evidence_for(WHO, "quotes", QUOTES))
    quote = Quote(WHO, "quotes", 100, 100, "ws", ONE, ONE, ONE, ONE)
    book.hear(quote, gap(110, 200, channel="quotes"), gap(300, None, open=True, channel="quotes"), quote)
    book.hear(gap(None, 400, "silence", channel="quotes"))
    assert book.spans == [(110, 201, "unrecoverable"), (400, 401, "unrecoverable")]
    assert book.facts[0].why == "no REST call of the venue brings quotes back"
    assert book.wanted == []


@pytest.mark.parametrize("feed", [IDS, COUNT], ids=["ids", "count"])
@given(
    steps=st.lists(st.integers(0, 3), min_size=2, max_size=60),
    cuts=st.lists(st.tuples(st.integers(0, 59), st.integers(1, 8)), max_size=4),
    restarts=st.sets(st.integers(0, 59), max_size=2),
)
def test_whatever_is_claimed_is_held_and_the_rest_is_listed(
    feed: Feed, steps: list[int], cuts: list[tuple[int, int]], restarts: set[int]
) -> None:
    """Random streams with equal stamps, cuts and restarts, through the very track that announces gaps."""
    truth, at_ns = list[Trade](), 100
    for seq, step in enumerate(steps):
        at_ns += step
        truth.append(trade(seq, at_ns, seq))
    gone = {seq for first, length in cuts for seq in range(first, first + length)}
    track = Track(WHO, "trades", rule_for(feed, parse_channel("trades")))
    book = trades(feed)
    held: set[int] = set()
    for each in truth:
        assert each.seq is not None
        if each.seq in restarts and held:
            point = track.point
            assert point is not None
            track = Track(WHO, "trades", rule_for(feed, parse_channel("trades")))
            track.resume(point)
            live = [fact for fact in book.facts if fact.state == "proven"]
            book.evidence = evidence_for(
                WHO, "trades", feed, resumed=live[-1] if live else None,
                wanted_ns=book.wanted[-1].from_ns if book.wanted else None,
            )  # fmt: skip
        if each.seq in gone:
            continue
        delivered = [*track.admit(each, 0.0), *track.release(0.0, at_once=True)]
        held |= {event.seq for event in delivered if isinstance(event, Trade) and event.seq is not None}
        book.hear(*delivered)
    coverage = book.coverage
    for from_ns, to_ns in coverage.proven:
        assert all(each.seq in held for each in truth if from_ns <= (each.at_ns or 0) < to_ns)
    if held:
        first, last = min(held), max(held)
        lost = [each for each in truth[first:last] if each.seq not in held]
        for each in lost:
            at = each.at_ns or 0
            inside = any(hole.from_ns <= at < hole.to_ns for hole in coverage.holes())
            first_instant = at <= (truth[first].at_ns or 0)
            assert inside or first_instant, "a silent hole"


def test_bars_that_were_wanted_before_the_first_came_are_missing() -> None:
    series = evidence_for(WHO, "bars:1m", BARS)
    late = Gap(WHO, "bars:1m", 7 * MINUTE, 1, "built", MINUTE + 5, 7 * MINUTE + 9, None, None, "late_start")
    assert list(series.take(late)) == []
    notes = list(series.take(bar(7)))
    holes = [(fact.from_ns, fact.to_ns, fact.state, fact.cause) for fact in notes if isinstance(fact, Fact)]
    assert holes == [(MINUTE, 7 * MINUTE, "missing", "late_start")]
    assert [(wanted.from_ns, wanted.to_ns) for wanted in notes if isinstance(wanted, Wanted)] == [(MINUTE, 7 * MINUTE)]


def test_bars_that_were_wanted_from_within_the_first_that_came_are_proven_from_it() -> None:
    series = evidence_for(WHO, "bars:1m", BARS)
    late = Gap(WHO, "bars:1m", MINUTE, 1, "built", MINUTE + 5, MINUTE + 9, None, None, "late_start")
    assert [*series.take(late), *series.take(bar(1)), *series.take(bar(2))] == []
    facts = [(note.from_ns, note.to_ns) for note in series.due() if isinstance(note, Fact)]
    assert facts == [(MINUTE, 3 * MINUTE)]


def test_a_hole_right_after_the_first_trade_is_wanted_with_its_instant() -> None:
    series = evidence_for(WHO, "trades", IDS)
    assert list(series.take(trade(1, 100))) == []
    notes = list(series.take(gap(100, 500)))
    holes = [(fact.from_ns, fact.to_ns) for fact in notes if isinstance(fact, Fact) and fact.state == "missing"]
    assert holes == [(100, 501)], "others of the same stamp may have come after it"
    assert [(wanted.from_ns, wanted.to_ns) for wanted in notes if isinstance(wanted, Wanted)] == [(100, 501)]
