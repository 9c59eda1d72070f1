"""Bars made again from what is held equal what a builder made of the same trades, and differ only where they should."""

from decimal import Decimal

from msgspec.structs import replace

from tapeline.market.bars import BarBuilder
from tapeline.market.remake import differing, remade
from tapeline.model.event import Bar, Trade
from tapeline.model.interval import MINUTE_NS, interval
from tapeline.venues import venue_named

SERVER = venue_named("binance").server
assert SERVER is not None
BTC = SERVER.sample_instruments[0]


def trade(seq: int, at_ns: int, price: str = "10", size: str = "1") -> Trade:
    return Trade(
        BTC.id, "trades", at_ns, at_ns + 9, "ws", str(seq), seq, "buy" if seq % 2 else "sell", Decimal(price),
        Decimal(size),
    )  # fmt: skip


TRADES = [trade(seq, seq * MINUTE_NS // 4, str(10 + seq % 7), f"0.{seq + 1}") for seq in range(40)]


def built(names: tuple[str, ...]) -> list[Bar]:
    builder = BarBuilder(BTC.id, [interval(name) for name in names], origin="trades")
    builder.join(0)
    for each in TRADES:
        builder.add(each, 1)
    return list(builder.advance(10 * MINUTE_NS, 1))


def test_what_is_made_again_from_trades_or_from_finer_bars_says_the_same() -> None:
    bars = built(("1m", "5m"))
    minutes = [bar for bar in bars if bar.interval == "1m"]
    fives = [bar for bar in bars if bar.interval == "5m"]
    within = (0, 10 * MINUTE_NS)
    again = remade(BTC, "trades", "1m", within, trades=TRADES)
    assert len(again) == 10
    assert differing(again, minutes, 5) == []
    assert differing(remade(BTC, "trades", "5m", within, parts=minutes), fives, 5) == []


def test_a_bar_that_says_something_else_is_the_next_revision_and_a_new_one_the_first() -> None:
    minutes = [bar for bar in built(("1m",)) if bar.open_at_ns]
    held = [replace(minutes[0], certificate="partial", revision=3), *minutes[1:-1]]
    again = remade(BTC, "trades", "1m", (MINUTE_NS, 10 * MINUTE_NS), trades=TRADES[4:], repaired=[(MINUTE_NS, 70)])
    again = [replace(bar, certificate="complete") for bar in again]
    found = differing(again, held, 99)
    assert [(bar.open_at_ns, bar.revision, bar.reason, bar.known_at_ns) for bar in found] == [
        (MINUTE_NS, 4, "repair", 99), (9 * MINUTE_NS, 1, "repair", 99),
    ]  # fmt: skip


def test_certificates_come_from_what_is_missing_and_what_was_repaired() -> None:
    again = remade(
        BTC, "trades", "1m", (0, 4 * MINUTE_NS), trades=TRADES, missing=[(MINUTE_NS + 5, MINUTE_NS + 6)],
        repaired=[(2 * MINUTE_NS - 1, 2 * MINUTE_NS + 1)],
    )  # fmt: skip
    assert [bar.certificate for bar in again] == ["complete", "partial", "repaired", "complete"]
    parts = [
        replace(bar, certificate="partial") for bar in remade(BTC, "trades", "1m", (0, 5 * MINUTE_NS), trades=TRADES)
    ]
    (five,) = remade(BTC, "trades", "5m", (0, 5 * MINUTE_NS), parts=parts)
    assert five.certificate == "complete", "what the parts once said is not asked: the ledger knows better"


def test_empty_bars_carry_the_close_before_where_they_are_wanted() -> None:
    few = [trade(1, MINUTE_NS + 5, "12")]
    again = remade(BTC, "trades", "1m", (0, 3 * MINUTE_NS), trades=few, carried=Decimal(9))
    assert [(bar.open_at_ns, bar.close, bar.trades) for bar in again] == [
        (0, Decimal(9), 0), (MINUTE_NS, Decimal(12), 1), (2 * MINUTE_NS, Decimal(12), 0),
    ]  # fmt: skip
    assert remade(BTC, "trades", "1m", (0, 3 * MINUTE_NS), trades=few)[0].open_at_ns == MINUTE_NS
    new = differing(again, [], 50)
    assert [bar.received_ns for bar in new] == [50, MINUTE_NS + 14, 50]
