"""The ledger of a running instance: from events on the bus to facts that are offered after the rows they speak of."""

from decimal import Decimal
from pathlib import Path

from tapeline.app.bookkeeping import Bookkeeping, registered_feed
from tapeline.market.bus import Bus
from tapeline.model.channel import channel
from tapeline.model.event import Bar, Event, Gap, Trade
from tapeline.model.fact import Fact, Wanted
from tapeline.store.reader import open_store
from tapeline.store.schema import MIGRATIONS, connect
from tapeline.store.series import PointRow, Row, SeriesStore

BTC = "binance:BTC/USDT"


def trade(seq: int, at_ns: int, of: str = "trades", who: str = BTC) -> Trade:
    return Trade(who, of, at_ns, at_ns + 1, "ws", str(seq), seq, "buy", Decimal(1), Decimal(1))


def gap(after_ns: int, before_ns: int, after_seq: int, before_seq: int, of: str = "trades") -> Gap:
    return Gap(BTC, of, before_ns, before_ns, "built", after_ns, before_ns, after_seq, before_seq, "link_down")


def _fail(_handle: object, event: Event, error: Exception) -> None:
    raise AssertionError(event) from error


class Desk:
    """A bus, a ledger, and the store's own subscription after it, as `Keeping` has them."""

    def __init__(self, folder: Path | None = None) -> None:
        self.rows: list[Row] = []
        self.bus = Bus(failed=_fail)
        self.ledger = Bookkeeping(self.rows.append)
        if folder is not None:
            with open_store(folder) as store:
                self.ledger.load(store)
        self.ledger.attach(
            self.bus, [channel("trades"), channel("bars:1m@trades"), channel("bars:1m"), channel("quotes")]
        )
        self.bus.subscribe(self.rows.append, name="store")

    def hear(self, *events: Event) -> "Desk":
        for event in events:
            self.bus.publish(event)
        return self

    def saved(self, folder: Path) -> None:
        store = SeriesStore(folder)
        store.write(self.rows)
        store.close()


def test_facts_are_offered_after_the_rows_they_speak_of_and_holes_before_their_gaps() -> None:
    desk = Desk().hear(trade(1, 100), trade(2, 110), trade(3, 120))
    assert [type(row).__name__ for row in desk.rows] == ["Trade"] * 3, "no fact for each event"
    desk.ledger.write()
    desk.ledger.write()
    assert [type(row).__name__ for row in desk.rows[3:]] == ["Fact", "Wanted"]
    desk.hear(gap(120, 200, 3, 9), trade(9, 200))
    assert [type(row).__name__ for row in desk.rows[5:]] == ["Fact", "Wanted", "Gap", "Trade"]
    ledger = desk.ledger
    assert ledger.wanted(BTC, "trades") == [(101, 201)], "a hole is wanted as soon as it is seen"
    assert ledger.to_fetch(BTC, "trades") == [(120, 201)]
    assert ledger.broken == {(BTC, "trades")}, "so that whoever repairs sees it"
    (stretch,) = ledger.stretches(BTC, "trades")
    assert (stretch.first, stretch.last, stretch.cause) == (4, 8, "link_down")
    ledger.write()
    assert ledger.to_fetch(BTC, "trades") == [(120, 201)]
    ledger.note(Fact(BTC, "trades", 120, 201, "repaired", "ids", "rest", "", 300))
    assert ledger.to_fetch(BTC, "trades") == []
    assert ledger.coverage(BTC, "trades").proven == [(101, 201)]
    assert ledger.series() == [(BTC, "trades")]


def test_a_channel_that_proves_nothing_has_only_its_holes() -> None:
    desk = Desk().hear(gap(100, 200, 1, 9, "quotes"), trade(1, 100, "aggtrades"), trade(1, 5, who="nowhere:A/B"))
    desk.ledger.write()
    facts = [row for row in desk.rows if isinstance(row, Fact)]
    assert [(fact.channel, fact.state) for fact in facts] == [("quotes", "unrecoverable")]
    assert desk.ledger.wanted(BTC, "quotes") == desk.ledger.to_fetch(BTC, "quotes") == []
    assert registered_feed("nowhere", "trades") is None


def test_a_restart_goes_on_with_the_same_row(tmp_path: Path) -> None:
    first = Desk().hear(trade(1, 100), trade(2, 110))
    first.ledger.write()
    first.saved(tmp_path)
    second = Desk(tmp_path).hear(trade(3, 300), trade(4, 310))
    second.ledger.write()
    assert second.ledger.coverage(BTC, "trades").proven == [(101, 310)]
    second.saved(tmp_path)
    with open_store(tmp_path) as store:
        assert len(store.ledger.facts(BTC, "trades")) == 1
        assert store.ledger.wanted() == [Wanted(BTC, "trades", 101, 310, "live")]
        assert store.holes() == []


def test_after_a_crash_rows_without_their_fact_are_proven_up_to_the_first_gap(tmp_path: Path) -> None:
    """The last facts were lost with the process; the rows, and the point that moves with them, were not.

    A hole on the way stays open, and what came after it is proven from there on.
    """
    for number, (events, want) in enumerate(
        (
            ((trade(3, 120), trade(4, 130)), [(101, 310)]),
            ((trade(3, 120), gap(120, 130, 3, 4), trade(4, 130)), [(101, 110), (131, 310)]),
        )
    ):
        folder = tmp_path / str(number)
        desk = Desk().hear(trade(1, 100), trade(2, 110))
        desk.ledger.write()
        desk.rows += [*events, PointRow(BTC, "trades", 130, 131, 4)]
        desk.saved(folder)
        after = Desk(folder).hear(trade(5, 300), trade(6, 310))
        after.ledger.write()
        assert after.ledger.coverage(BTC, "trades").proven == want
        missing = [(each.from_ns, each.to_ns, each.first, each.last) for each in after.ledger.stretches(BTC, "trades")]
        assert missing == ([] if number == 0 else [(110, 131, 3, 3)]), "ids of what may be missing between the two"


def test_after_a_crash_bars_without_their_fact_are_proven_as_long_as_bar_follows_bar(tmp_path: Path) -> None:
    def minute(number: int, source: str = "ws") -> Bar:
        one, at_ns = Decimal(1), number * 60 * 10**9
        return Bar(
            BTC, "bars:1m", at_ns + 1, at_ns + 60 * 10**9, source, "1m", at_ns, one, one, one, one, one, one, 1, one, 1,
            1, True,  # closed
        )  # fmt: skip

    for number, (rows, want) in enumerate((
        ((2, 3), [(0, 6)]), ((3,), [(0, 2), (5, 6)]), ((), [(0, 2), (5, 6)]),
    )):  # fmt: skip
        folder = tmp_path / str(number)
        desk = Desk().hear(minute(0), minute(1))
        desk.ledger.write()
        desk.rows += [minute(each) for each in rows]
        desk.saved(folder)
        after = Desk(folder).hear(*([minute(4), minute(5)] if number == 0 else [minute(5)]))
        after.ledger.write()
        found = after.ledger.coverage(BTC, "bars:1m").proven
        assert [(low // (60 * 10**9), high // (60 * 10**9)) for low, high in found] == want


def test_bars_that_retention_took_leave_the_fact_as_it_is(tmp_path: Path) -> None:
    store = SeriesStore(tmp_path)
    store.write([Fact(BTC, "bars:1m", 0, 60 * 10**9, "proven", "bars", "ws", "", 1, run=1)])
    store.close()
    assert Desk(tmp_path).ledger.coverage(BTC, "bars:1m").proven == [(0, 60 * 10**9)]


def test_a_store_from_before_the_ledger_leaves_nothing_to_go_on_from(tmp_path: Path) -> None:
    connect(tmp_path, migrations=MIGRATIONS[:1]).close()
    assert Desk(tmp_path).ledger.series() == []


def test_what_the_store_found_out_is_learnt_and_not_written_again() -> None:
    desk = Desk().hear(trade(1, 100), trade(2, 110), trade(9, 500))
    desk.ledger.write()
    before = len(desk.rows)
    lost = Fact(BTC, "trades", 300, 400, "missing", "", "built", "our own buffer was full", 600, cause="overflow")
    desk.ledger.broken.clear()
    desk.ledger.learn([lost])
    assert len(desk.rows) == before
    assert desk.ledger.broken == {(BTC, "trades")}
    assert (300, 400) in [(each.from_ns, each.to_ns) for each in desk.ledger.coverage(BTC, "trades").spans()]
