"""What is asked for, given what is missing."""

from decimal import Decimal

from tapeline.model.event import Trade
from tapeline.model.fact import Stretch
from tapeline.model.interval import HOUR_NS, MINUTE_NS
from tapeline.sync.plan import Errand, errands, precedence, too_old
from tapeline.venues import venue_named

BTC = "binance:BTC/USDT"
BARS = venue_named("binance").rest["bars"]
TRADES = venue_named("binance").rest["trades"]
USDM = venue_named("binance-usdm").rest["aggtrades"]
NOW_NS = 1_723_161_600_000_000_000


def test_holes_of_bars_that_one_page_holds_are_asked_for_together() -> None:
    near = [Stretch(at * MINUTE_NS, (at + 1) * MINUTE_NS) for at in (0, 5, 900)]
    far = Stretch(5000 * MINUTE_NS, 5001 * MINUTE_NS)
    found = errands(BTC, "bars:1m", BARS, [*near, far])
    assert [errand.holes for errand in found] == [tuple(near), (far,)]
    assert found[0].span == (0, 901 * MINUTE_NS)
    assert found[0].ids is None


def test_a_hole_of_bars_is_asked_for_in_whole_bars() -> None:
    (errand,) = errands(BTC, "bars:1m", BARS, [Stretch(MINUTE_NS + 5, 2 * MINUTE_NS + 7, cause="overflow")])
    assert errand.holes == (Stretch(MINUTE_NS, 3 * MINUTE_NS, cause="overflow"),)
    (month,) = errands(BTC, "bars:1M", BARS, [Stretch(0, 5)])
    assert month.span == (0, 31 * 24 * HOUR_NS)


def test_holes_of_trades_are_asked_for_together_where_their_ids_are_near() -> None:
    holes = [Stretch(10, 20, 5, 9), Stretch(20, 30, 12, 40), Stretch(50, 60, 5000, 5001), Stretch(70, 80)]
    found = errands(BTC, "trades", TRADES, holes)
    assert [errand.ids for errand in found] == [(5, 40), (5000, 5001), None]
    assert found[0].holes == (holes[0], holes[1])


def test_bars_go_before_trades_and_the_newest_first() -> None:
    old, new = Errand(BTC, "trades", (Stretch(1, 2),)), Errand(BTC, "trades", (Stretch(5, 6),))
    bars = Errand(BTC, "bars:1m", (Stretch(0, 1),))
    assert sorted([old, new, bars], key=precedence) == [bars, new, old]


def test_what_is_older_than_the_venues_history_is_lost_and_the_rest_is_found_by_time() -> None:
    kept_ns = 48 * HOUR_NS
    old = Stretch(NOW_NS - kept_ns - 10, NOW_NS - kept_ns - 5, 1, 2, "restart")
    half = Stretch(NOW_NS - kept_ns - 4, NOW_NS - kept_ns + 4, 3, 9, "restart")
    facts, left = too_old(Errand("binance-usdm:BTC/USDT:USDT", "aggtrades", (old, half)), USDM, NOW_NS, 77)
    assert [(fact.from_ns, fact.to_ns, fact.state, fact.cause) for fact in facts] == [
        (old.from_ns, old.to_ns, "unrecoverable", "restart"),
        (half.from_ns, NOW_NS - kept_ns, "unrecoverable", "restart"),
    ]
    assert facts[0].why == "the venue keeps 48 hours of it"
    assert facts[0].known_at_ns == 77
    assert left is not None
    assert left.holes == (Stretch(NOW_NS - kept_ns, half.to_ns, None, 9, "restart"),)
    assert left.ids is None
    assert too_old(Errand(BTC, "trades", (old,)), TRADES, NOW_NS, 77) == ([], Errand(BTC, "trades", (old,)))


def test_nothing_is_left_where_all_of_it_is_too_old() -> None:
    hole = Stretch(10, 20, 1, 2)
    facts, left = too_old(Errand("binance-usdm:BTC/USDT:USDT", "aggtrades", (hole,)), USDM, NOW_NS, 77)
    assert (len(facts), left) == (1, None)


def test_which_trades_have_the_numbers_that_are_missing() -> None:
    def trade(seq: int) -> Trade:
        return Trade(BTC, "trades", 1, 1, "rest", str(seq), seq, "buy", Decimal(1), Decimal(1))

    errand = Errand(BTC, "trades", (Stretch(10, 20, 5, 9), Stretch(20, 30, 12, 40)))
    assert errand.misses([trade(5), trade(40)])
    assert errand.misses([])
    assert not errand.misses([trade(5), trade(41)]), "of another numbering, or held"
    assert not errand.misses([trade(4)])
    assert not Errand(BTC, "trades", (Stretch(10, 20),)).misses([trade(5)]), "nobody knows which are missing"
