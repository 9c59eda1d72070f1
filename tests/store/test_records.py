from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from tapeline.model.event import Gap, Link, Notice, Trade
from tapeline.model.instrument import Instrument
from tapeline.store.reader import open_store
from tapeline.store.series import PointRow, SeriesStore

BTC = "binance:BTC/USDT"


def test_what_else_is_held(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    link = Link(None, "link", None, 5, "ws", "binance", "1", (), "up", "live", "subscribed", 2, final=False)
    notice = Notice(None, "notice", None, 6, "ws", "binance", "64008", "soon")
    hole = Gap(BTC, "quotes", 9, 7, "built", 3, 9, None, None, "link_down", open=False)
    point = PointRow(BTC, "quotes", None, 9, 77)
    store = SeriesStore(tmp_path)
    store.write([link, notice, hole, point, trade(1), trade(1, size=Decimal(9))])
    with open_store(tmp_path) as held:
        assert (held.links(), held.notices(), held.gaps()) == ([link], [notice], [hole])
        assert held.gaps(BTC, "quotes") == [hole]
        assert held.gaps("okx:BTC/USDT") == []
        assert point in held.points()
        (dispute,) = held.disputes()
        assert (dispute.held[1], dispute.given.size) == (0.02, Decimal(9))
        assert held.versions(BTC) == []
    store.close()


def test_instruments_and_what_was_set_aside(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    listed = Instrument(venue="binance", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT")
    store = SeriesStore(tmp_path)
    store.write([listed])
    store.poison(trade(1), "why not")
    store.close()
    with open_store(tmp_path) as held:
        assert held.instruments() == held.versions(BTC) == [listed]
        assert [(each.type, each.reason) for each in held.poison()] == [("Trade", "why not")]
