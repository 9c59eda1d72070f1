from collections.abc import Callable
from pathlib import Path

import pytest

import tapeline
from tapeline.errors import ConfigError, NotProven
from tapeline.model.event import Bar, Gap, Trade
from tapeline.model.fact import Fact, Wanted
from tapeline.store.export import export_series
from tapeline.store.proof import Proof, demand
from tapeline.store.reader import Store, open_store
from tapeline.store.schema import _VERSION_1, connect
from tapeline.store.series import SeriesStore

BTC = "binance:BTC/USDT"
MINUTE_NS = 60_000_000_000
HOUR_NS = 60 * MINUTE_NS


def fact(low: int, high: int, state: str = "proven", channel: str = "trades", cause: str = "") -> Fact:
    return Fact(BTC, channel, low, high, state, "ids", "ws", "because", high, cause=cause)


@pytest.fixture
def folder(tmp_path: Path, bar: Callable[..., Bar], trade: Callable[..., Trade]) -> Path:
    """Three hours of minutes; trades proven but for 01:10 to 01:20, repaired from 02:10 to 02:20."""
    store = SeriesStore(tmp_path / "data")
    store.write([bar(open_at_ns=i * MINUTE_NS) for i in range(180)])
    store.write([trade(n, at_ns=n * MINUTE_NS) for n in range(181)])
    gaps = [
        Gap(BTC, "trades", 130 * MINUTE_NS, 1, "built", 130 * MINUTE_NS, 139 * MINUTE_NS, None, None, "link_down"),
        Gap(BTC, "trades", 70 * MINUTE_NS, 1, "built", 70 * MINUTE_NS, 79 * MINUTE_NS, None, None, "link_down"),
    ]
    store.write(gaps)
    store.write([
        Wanted(BTC, "trades", 0, 180 * MINUTE_NS, "live"), fact(0, 70 * MINUTE_NS),
        fact(80 * MINUTE_NS, 130 * MINUTE_NS), fact(130 * MINUTE_NS, 140 * MINUTE_NS, "repaired"),
        fact(140 * MINUTE_NS, 180 * MINUTE_NS),
    ])  # fmt: skip
    store.close()
    return tmp_path


@pytest.fixture(params=["store", "archive"])
def held(request: pytest.FixtureRequest, folder: Path) -> Path:
    """The store, and what it exports."""
    if request.param == "store":
        return folder / "data"
    with open_store(folder / "data") as store:
        for channel in ("trades", "bars:1m@trades"):
            export_series(store, BTC, channel, folder / "archive", partition="none")
    return folder / "archive"


def test_a_read_says_what_is_missing_in_it(held: Path) -> None:
    with tapeline.open(held) as store:
        rows = store.trades(BTC)
        assert rows.missing == [(70 * MINUTE_NS, 80 * MINUTE_NS)]
        assert [span.state for span in rows.coverage if span.state != "missing"] == [
            "proven", "proven", "repaired", "proven",
        ]  # fmt: skip
        assert store.trades(BTC, 75 * MINUTE_NS, HOUR_NS * 2).missing == [(75 * MINUTE_NS, 80 * MINUTE_NS)]
        assert store.bars(BTC, "1m@trades", 0, HOUR_NS).missing == []
        assert store.resample(BTC, "1h@trades", HOUR_NS, HOUR_NS + 1).missing == [(70 * MINUTE_NS, 80 * MINUTE_NS)]
        assert store.trades(BTC, 5, 5).missing == []


def test_require_proven(held: Path) -> None:
    with tapeline.open(held) as store:
        assert (
            len(list(store.bars(BTC, "1m@trades", 2 * HOUR_NS, 3 * HOUR_NS, require="proven"))) == 60
        )  # repaired is held
        assert len(list(store.trades(BTC, 0, HOUR_NS, require="proven"))) == 60
        with pytest.raises(
            NotProven, match=r"trades: not proven from 1970-01-01T01:10:00Z to 1970-01-01T01:20:00Z$"
        ) as told:
            store.trades(BTC, require="proven")
        assert told.value.missing == ((70 * MINUTE_NS, 80 * MINUTE_NS),)
        with pytest.raises(NotProven, match="bars:1m@trades: not proven"):
            store.resample(BTC, "1h@trades", require="proven")
        with pytest.raises(NotProven):
            store.bars(BTC, "1m@trades", 0, 4 * HOUR_NS, require="proven")
        with pytest.raises(ConfigError, match="require='sure'"):
            store.trades(BTC, require="sure")  # type: ignore[arg-type]  # the wrong word is the point


def test_certificates_follow_the_ledger(held: Path) -> None:
    with tapeline.open(held) as store:
        built = [each.certificate for each in store.resample(BTC, "1h@trades")]
        assert built == ["complete", "partial", "repaired"]
        if isinstance(store, Store):
            assert [each.certificate for each in store.resample(BTC, "1h@trades", at=5)] == []
        names = [each.certificate for each in store.tick_bars(BTC, 60)]
        assert names == ["complete", "partial", "complete", "partial"]


def test_trades_make_bars_that_follow_the_ledger(folder: Path) -> None:
    with open_store(folder / "data") as store:
        export_series(store, BTC, "trades", folder / "trades_only")
    with tapeline.open(folder / "trades_only") as lake:
        bars = list(lake.resample(BTC, "1h"))
    connection = connect(folder / "data")
    connection.execute("DELETE FROM bars")
    connection.close()
    with open_store(folder / "data") as store:
        assert [each.certificate for each in store.resample(BTC, "1h@trades")] == [
            "complete", "partial", "repaired", "partial",
        ]  # fmt: skip
        assert list(store.resample(BTC, "1h@trades")) == bars


def test_a_store_of_before_the_ledger_proves_nothing(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    connect(tmp_path, migrations=(_VERSION_1,)).close()
    with open_store(tmp_path) as store:
        assert store.covering(BTC, "trades").spans() == []
        assert store.wanted_of(BTC, "trades") == []
    store_now = SeriesStore(tmp_path)
    store_now.write([trade(1), trade(9)])
    store_now.close()
    with open_store(tmp_path) as store:
        assert store.trades(BTC).missing == [((trade(1).at_ns or 0) + 1, trade(9).at_ns)]
        assert store.coverage(BTC, "trades") == []


def test_many_missing_ranges_are_told_shortly() -> None:
    proof = Proof([], [(i, i + 1) for i in range(9)])
    with pytest.raises(NotProven, match=r"and 6 more$"):
        demand("proven", proof, BTC, "trades")
    demand("", proof, BTC, "trades")
    with pytest.raises(NotProven, match="from -5 to 1970"):
        demand("proven", Proof([], [(-5, 7)]), BTC, "trades")
