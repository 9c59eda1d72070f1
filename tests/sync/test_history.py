from dataclasses import replace
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from walking import START_NS, Told, Venue, bar, gone_through, minutes, seconds, told_of, trade

from tapeline.errors import ConfigError
from tapeline.model.event import Trade
from tapeline.model.interval import DAY_NS, HOUR_NS, MINUTE_NS, interval
from tapeline.sync.history import (
    FirstBar,
    FirstTrade,
    bar_pieces,
    bars_walk,
    before,
    id_before,
    joined,
    reach,
    trade_pieces,
    trades_walk,
)
from tapeline.sync.listed_walk import ListedWalk
from tapeline.sync.time_walk import TimeWalk
from tapeline.sync.walk import BarsWalk, Finding, IdsWalk
from tapeline.venues import venues
from tapeline.venues.binance import BINANCE, BINANCE_USDM
from tapeline.venues.okx import OKX
from tapeline.venues.spec import Ask, RestCall

SPAN = minutes(0, 60)


def call(**said: object) -> RestCall:
    return RestCall(build=BINANCE.rest["bars"].build, parse=BINANCE.rest["bars"].parse, **said)  # type: ignore[arg-type]  # any field


def test_each_venue_says_how_its_history_is_gone_through() -> None:
    for venue in venues().values():
        assert isinstance(bars_walk(venue.rest["bars"], "X", "1m", SPAN), BarsWalk)
    spot = trades_walk("trades", BINANCE.rest["trades"], "X", SPAN, (99, 200))
    assert isinstance(spot, ListedWalk)
    assert spot.next() == Ask("aggtrades", "X", to_ns=SPAN[1], limit=104)
    down = trades_walk("trades", OKX.rest["trades"], "X", SPAN, (None, 200))
    assert down.next() == Ask("trades", "X", to_ns=SPAN[1], limit=100)
    hour = trades_walk("aggtrades", BINANCE_USDM.rest["aggtrades"], "X", SPAN, (None, None))
    assert hour.next() == Ask("aggtrades", "X", to_ns=SPAN[1], limit=1000)


def test_a_history_that_no_list_by_time_shows_is_gone_through_by_its_numbers_or_in_windows() -> None:
    spot = trades_walk("trades", replace(BINANCE.rest["trades"], locate=""), "X", SPAN, (99, 200))
    assert isinstance(spot, IdsWalk)
    assert spot.next() == Ask("trades", "X", from_id=100, limit=101)
    down = trades_walk("trades", replace(OKX.rest["trades"], locate=""), "X", SPAN, (None, 200))
    assert isinstance(down, IdsWalk)
    assert down.next() == Ask("trades", "X", from_id=101, limit=100)
    windows = replace(BINANCE_USDM.rest["aggtrades"], locate="")
    hour = trades_walk("aggtrades", windows, "X", minutes(0, 120), (None, None))
    assert isinstance(hour, TimeWalk)
    assert hour.next() == Ask("aggtrades", "X", from_ns=SPAN[0], to_ns=SPAN[1], limit=1000)
    whole = trades_walk("aggtrades", replace(windows, window_s=float("inf")), "X", minutes(0, 120), (None, None))
    assert whole.next() == Ask("aggtrades", "X", from_ns=SPAN[0], to_ns=minutes(0, 120)[1], limit=1000)


def test_what_has_no_history_is_said() -> None:
    with pytest.raises(ConfigError, match="without a key"):
        trades_walk("trades", BINANCE_USDM.rest["trades"], "X", SPAN, (1, 2))
    with pytest.raises(ConfigError, match="no history"):
        bars_walk(call(), "X", "1m", SPAN)


def test_where_the_first_trade_is_not_known_the_walk_goes_down_to_it() -> None:
    history, numbered = [trade(number) for number in range(7, 30)], replace(BINANCE.rest["trades"], locate="")
    first = trades_walk("trades", numbered, "X", seconds(0, 30), (None, 29))
    assert sorted(getattr(row, "seq", 0) for row in gone_through(first, history)[0]) == list(range(7, 30))
    assert [(each.state, each.first_seq) for each in first.findings()] == [("unrecoverable", None), ("proven", 7)]
    none = trades_walk("trades", numbered, "X", SPAN, (None, None))
    assert none.next() is None
    assert [each.state for each in none.findings()] == ["unrecoverable"]


@settings(max_examples=200, deadline=None)
@given(
    own=st.booleans(),
    fills=st.integers(1, 3),
    falls=st.lists(st.tuples(st.integers(20, 90), st.integers(0, 60)), max_size=2),
    edges=st.sets(st.integers(150, 950), min_size=2, max_size=5),
    apart_s=st.sampled_from([10.0, 1.0]),
)
def test_no_numbering_hides_another_from_a_history_in_pieces(
    own: bool, fills: int, falls: list[tuple[int, int]], edges: set[int], apart_s: float
) -> None:
    """Wherever numbers begin anew, and however many come again, up to the very edge of a piece."""
    ends_s = [edge * apart_s / 10 for edge in sorted(edges)]  # of the pieces
    told = list[Told]()
    for place in range(100):
        less = sum(repeated for at, repeated in falls if place >= at)
        at_s = place * apart_s + sum(60.0 for at, _ in falls if place >= at)  # it was away for a while
        told += [(200 + place * fills + fill - less, at_s) for fill in range(fills)]
    venue = Venue(told, aggregates=fills)
    of = replace(BINANCE.rest["trades"], page=10, locate="trades" if own else "aggtrades")
    found, known = list[Told](), list[Finding]()
    for low, high in pairwise(ends_s):
        span = seconds(low, high)
        first, last = (id_before(of, "trades", venue.answer(before(of, "X", at_ns))) for at_ns in span)
        piece = trades_walk("trades", of, "X", span, (first, last))
        while (ask := piece.next()) is not None:
            venue.asked.append(ask)
            assert len(venue.asked) < 1000, "a walk without an end"
            found += [told_of(row) for row in piece.took(venue.answer(ask)) if isinstance(row, Trade)]
        known += joined(piece.findings())
    happened = [each for each in told if ends_s[0] <= each[1] < ends_s[-1]]
    assert len(found) == len(set(found)), "none comes twice"
    assert set(found) <= set(told)
    assert not own or set(happened) <= set(found), "a list that has the very trades leaves nothing to numbers"
    for missed in set(happened) - set(found):
        at_ns, _ = seconds(missed[1], missed[1])
        assert [each.state for each in known if each.from_ns <= at_ns < each.to_ns] != ["proven"], missed


def test_when_trades_begin_is_found_by_halves() -> None:
    begins, asked = FirstTrade((0, 1000 * DAY_NS)), 0
    while (at_ns := begins.next()) is not None:
        asked += 1
        begins.took(5 if at_ns > 777 * DAY_NS else None)
    assert (begins.span[0] <= 777 * DAY_NS < begins.span[1], begins.span[1] - begins.span[0] <= MINUTE_NS) == (
        True,
    ) * 2
    assert asked == 21


def test_the_last_trade_before_a_time_is_found_where_the_venue_lists_them_by_time() -> None:
    assert before(BINANCE.rest["trades"], "X", 5) == Ask("aggtrades", "X", to_ns=5, limit=1)
    merged = trade(7)
    aggregate = msgspec.structs.replace(merged, first_id=40, last_id=44)
    assert id_before(BINANCE.rest["trades"], "trades", [aggregate]) == 44
    assert id_before(BINANCE.rest["aggtrades"], "aggtrades", [aggregate]) == 7
    assert id_before(OKX.rest["trades"], "trades", []) is None


def test_how_far_back_it_reaches() -> None:
    day = call(keeps_s=86_400)
    now_ns = START_NS + DAY_NS
    assert reach(day, seconds(0, 10), now_ns) == (None, seconds(0, 10))
    assert reach(call(), (0, 10), now_ns) == (None, (0, 10))
    lost = Finding(START_NS - HOUR_NS, START_NS, "unrecoverable", "", "the venue keeps 24 hours of it")
    assert reach(day, (START_NS - HOUR_NS, START_NS + 5), now_ns) == (lost, (START_NS, START_NS + 5))
    found, rest = reach(day, (0, 10), now_ns)
    assert (found, rest) == (Finding(0, 10, "unrecoverable", "", "the venue keeps 24 hours of it"), (10, 10))


def test_pieces_are_on_the_grid_and_whole() -> None:
    pieces = bar_pieces(call(page=10), "1m", minutes(3, 503))
    assert pieces == [minutes(3, 203), minutes(203, 403), minutes(403, 503)]
    months = bar_pieces(call(page=1), "1M", (0, 1000 * DAY_NS))
    assert months[0][1] == interval("1M").floor(560 * DAY_NS)
    assert [months[0][0], months[-1][1]] == [0, 1000 * DAY_NS]
    assert trade_pieces(call(page=10), (0, 60 * MINUTE_NS), 1000) == [
        (number * 12 * MINUTE_NS, (number + 1) * 12 * MINUTE_NS) for number in range(5)
    ]
    assert trade_pieces(call(page=10), (0, 2 * MINUTE_NS), 10**6) == [(0, MINUTE_NS), (MINUTE_NS, 2 * MINUTE_NS)]
    assert trade_pieces(call(page=10), (0, 10), None) == [(0, 10)]
    assert trade_pieces(call(page=10), (5, 5), 9) == ()
    anew = trade_pieces(call(page=10), (0, 3 * HOUR_NS), -7)
    assert anew == [(number * HOUR_NS, (number + 1) * HOUR_NS) for number in range(3)], (
        "how many there are is not known"
    )
    assert trade_pieces(call(page=10), (0, 10), -7) == [(0, 10)]


def test_neighbours_whose_numbers_follow_are_one_finding() -> None:
    pages = [Finding(0, 10, "proven", "ids", "", 1, 4), Finding(10, 20, "proven", "ids", "", 5, 9)]
    assert joined(pages) == [Finding(0, 20, "proven", "ids", "", 1, 9)]
    assert joined([]) == []
    anew = Finding(20, 30, "proven", "ids", "", 3, 5)
    lost = Finding(30, 40, "unrecoverable", "", "asked twice", 6, 7)
    apart = Finding(41, 50, "proven", "ids", "", 6, 8)
    unnumbered = Finding(50, 60, "proven", "ids")
    assert joined([*pages, anew, lost, apart, unnumbered, unnumbered]) == [
        Finding(0, 20, "proven", "ids", "", 1, 9), anew, lost, apart, unnumbered, unnumbered,
    ]  # fmt: skip


def test_the_first_bar_is_found_by_months_then_days() -> None:
    end_ns = bar(0, name="1M").open_at_ns + 400 * DAY_NS
    first = FirstBar("X", (5, end_ns), 300)
    ask = first.next()
    assert ask == Ask("bars", "X", "1M", 0, end_ns, limit=300)
    month = bar(2, name="1M")
    first.took([month, bar(3, name="1M")])
    month_end_ns = interval("1M").next(month.open_at_ns)
    assert first.next() == Ask("bars", "X", "1d", month.open_at_ns, month_end_ns, limit=300)
    listed_ns = month.open_at_ns + 4 * DAY_NS
    first.took([msgspec.structs.replace(month, open_at_ns=listed_ns)])
    assert (first.next(), first.found_ns) == (None, listed_ns)


def test_no_bars_in_the_span_at_all() -> None:
    first = FirstBar("X", SPAN, 300)
    first.took([])
    assert (first.next(), first.found_ns) == (None, None)
