import msgspec
import pytest
from walking import START_NS, bar, gone_through, minutes, seconds, trade

from tapeline.errors import ConfigError
from tapeline.model.interval import DAY_NS, HOUR_NS, MINUTE_NS, interval
from tapeline.sync.history import (
    FirstBar,
    FirstTrade,
    bar_pieces,
    bars_walk,
    before,
    id_before,
    reach,
    trade_pieces,
    trades_walk,
)
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
    assert isinstance(spot, IdsWalk)
    assert spot.next() == Ask("trades", "X", from_id=100, limit=101)
    down = trades_walk("trades", OKX.rest["trades"], "X", SPAN, (None, 200))
    assert isinstance(down, IdsWalk)
    assert down.next() == Ask("trades", "X", from_id=101, limit=100)
    hour = trades_walk("aggtrades", BINANCE_USDM.rest["aggtrades"], "X", minutes(0, 120), (None, None))
    assert isinstance(hour, TimeWalk)
    assert hour.next() == Ask("aggtrades", "X", from_ns=SPAN[0], to_ns=SPAN[1], limit=1000)
    whole = trades_walk("aggtrades", BINANCE.rest["aggtrades"], "X", minutes(0, 120), (None, None))
    assert whole.next() == Ask("aggtrades", "X", from_ns=SPAN[0], to_ns=minutes(0, 120)[1], limit=1000)


def test_what_has_no_history_is_said() -> None:
    with pytest.raises(ConfigError, match="without a key"):
        trades_walk("trades", BINANCE_USDM.rest["trades"], "X", SPAN, (1, 2))
    with pytest.raises(ConfigError, match="no history"):
        bars_walk(call(), "X", "1m", SPAN)


def test_where_the_first_trade_is_not_known_the_walk_goes_down_to_it() -> None:
    history = [trade(number) for number in range(7, 30)]
    first = trades_walk("trades", BINANCE.rest["trades"], "X", seconds(0, 30), (None, 29))
    assert sorted(getattr(row, "seq", 0) for row in gone_through(first, history)[0]) == list(range(7, 30))
    assert [(each.state, each.first_seq) for each in first.findings()] == [("unrecoverable", None), ("proven", 7)]
    none = trades_walk("trades", BINANCE.rest["trades"], "X", SPAN, (None, None))
    assert none.next() is None
    assert [each.state for each in none.findings()] == ["unrecoverable"]


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
