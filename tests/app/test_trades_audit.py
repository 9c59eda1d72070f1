"""From unequal bars to doubts about their trades: what the next turn asks again, and what it puts in dispute."""

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from tapeline.app.audit.examining import Examined, Subject
from tapeline.app.audit.trades_audit import is_new, is_told, trades_judged
from tapeline.market.coverage import Coverage
from tapeline.model.event import Bar
from tapeline.model.fact import Fact
from tapeline.model.interval import MINUTE_NS
from tapeline.sync.audit import AUDITED, Match, Mismatch, Unchecked, Verdict, compare_bars, disputed
from tapeline.venues import venue_named

BTC, BUILT, VENUES = "binance:BTC/USDT", "bars:1m@trades", "bars:1m"
BINANCE = venue_named("binance")
assert BINANCE.server is not None
SUBJECT = Subject(
    venue=BINANCE, instrument=BINANCE.server.sample_instruments[0], interval="1m", channels=(VENUES, BUILT)
)  # fmt: skip
PROVEN = Fact(BTC, "trades", 0, 60 * MINUTE_NS, "proven", "ids", "ws", "", 1, run=1)


def bar(minute: int, volume: int, channel: str = BUILT) -> Bar:
    ten = Decimal(10)
    return Bar(
        BTC, channel, None, 7, "built", "1m", minute * MINUTE_NS, ten, ten, ten, ten, Decimal(volume), None, None, None,
        None, None, closed=True, origin="trades" if channel == BUILT else "venue", certificate="complete",
    )  # fmt: skip


def unequal(minute: int, ours: int, theirs: int, channel: str = BUILT) -> Mismatch:
    found = compare_bars(bar(minute, ours, channel), bar(minute, theirs, VENUES))
    assert isinstance(found, Mismatch)
    return replace(found, channel=channel)


def judged(
    *verdicts: Verdict, facts: tuple[Fact, ...] = (), builds: tuple[str, ...] = ("5m", "1m")
) -> tuple[list[Fact], int]:  # fmt: skip
    names = ("trades", VENUES, BUILT, "bars:5m@trades")
    known = {of: Coverage([each for each in (PROVEN, *facts) if each.channel == of]) for of in names}
    return trades_judged(
        SUBJECT, Examined(list(verdicts)), known, (0, 60 * MINUTE_NS), builds=lambda _of: builds, known_at_ns=9
    )  # fmt: skip


def before(minute: int, channel: str = BUILT, minutes: int = 1) -> Fact:
    return Fact(BTC, channel, minute * MINUTE_NS, (minute + minutes) * MINUTE_NS, "disputed", "", "rest",
                "audit: volume ours 1, theirs 2", 5, cause=AUDITED)  # fmt: skip


def test_what_is_unequal_for_the_first_time_is_looked_at_again() -> None:
    assert judged(unequal(7, 1, 2), unequal(5, 1, 2)) == ([], 5 * MINUTE_NS)
    assert judged() == ([], 60 * MINUTE_NS)


def test_what_is_unequal_still_puts_its_trades_in_dispute_once() -> None:
    facts, until_ns = judged(unequal(5, 1, 2), facts=(before(5),))
    assert [(fact.channel, fact.from_ns, fact.to_ns, fact.state, fact.cause, fact.why) for fact in facts] == [
        ("trades", 5 * MINUTE_NS, 6 * MINUTE_NS, "disputed", "disputed", "audit: volume ours 1, theirs 2")
    ]
    assert until_ns == 60 * MINUTE_NS
    assert judged(unequal(5, 1, 2), facts=(before(5), *facts)) == ([], 60 * MINUTE_NS), "told already"


def test_only_the_shortest_bars_that_are_built_speak_for_their_trades() -> None:
    assert judged(unequal(5, 1, 2), facts=(before(5),), builds=("1s", "1m")) == ([], 60 * MINUTE_NS)
    assert judged(unequal(5, 1, 2), facts=(before(5),), builds=()) == ([], 60 * MINUTE_NS)
    assert judged(unequal(5, 1, 2, VENUES)) == ([], 60 * MINUTE_NS), "the venue's own"


def test_a_bar_that_the_venue_told_live_as_we_built_it_was_revised() -> None:
    assert judged(unequal(5, 1, 2), unequal(5, 1, 2, VENUES)) == ([], 60 * MINUTE_NS)
    assert judged(unequal(5, 1, 2), unequal(5, 3, 2, VENUES), facts=(before(5),))[0] != [], "told otherwise still"


def test_bars_that_lack_something_by_now_are_in_doubt_as_far_as_an_audit_had_found_them_unequal() -> None:
    partial = Unchecked(BTC, BUILT, 4 * MINUTE_NS, 7 * MINUTE_NS, "our bar is partial")
    (fact,), until_ns = judged(partial, facts=(before(5),))
    assert (fact.channel, fact.from_ns, fact.to_ns, fact.state) == ("trades", 5 * MINUTE_NS, 6 * MINUTE_NS, "disputed")
    assert until_ns == 60 * MINUTE_NS
    (fact,), _ = judged(partial, facts=(before(5, "bars:5m@trades", 5),))
    assert (fact.from_ns, fact.to_ns) == (5 * MINUTE_NS, 7 * MINUTE_NS), "a longer bar was"
    assert judged(partial) == ([], 60 * MINUTE_NS)


def test_equal_bars_settle_what_was_in_dispute() -> None:
    match = Match(BTC, BUILT, 5 * MINUTE_NS, 6 * MINUTE_NS)
    in_dispute = disputed(replace(unequal(5, 1, 2), channel="trades"), 5)
    (fact,), _ = judged(match, facts=(before(5), in_dispute))
    assert (fact.channel, fact.state, fact.from_ns) == ("trades", "proven", 5 * MINUTE_NS)
    assert judged(match) == ([], 60 * MINUTE_NS)


def test_what_is_new_and_what_is_told() -> None:
    known: dict[str, Any] = {BUILT: Coverage([before(5)])}
    assert is_new(unequal(4, 1, 2), known)
    assert not is_new(unequal(5, 1, 3), known), "with other words, but not for the first time"
    assert not is_new(Match(BTC, BUILT, 0, 1), known)
    assert is_told(before(5), known)
    assert not is_told(replace(before(5), why="other"), known)
    assert not is_told(before(4), known)
