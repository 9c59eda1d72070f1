from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

import tapeline
from tapeline.errors import ConfigError, NotHeld, NotProven, StoreClosed, UnknownInstrument
from tapeline.model.event import Bar, Trade
from tapeline.store.export import export_series
from tapeline.store.lake import Lake
from tapeline.store.reader import Store, open_store
from tapeline.store.series import SeriesStore

BTC = "binance:BTC/USDT"
MINUTE_NS = 60_000_000_000
KINDS = ("store", "archive")


@pytest.fixture
def root(tmp_path: Path, bar: Callable[..., Bar], trade: Callable[..., Trade]) -> Path:
    """The same rows as a store and as an archive."""
    opens = [bar().open_at_ns + n * MINUTE_NS for n in range(120)]
    store = SeriesStore(tmp_path / "store")
    store.write([*(bar(open_at_ns=at) for at in opens), *(trade(n, at_ns=opens[n]) for n in range(60))])
    store.close()
    with open_store(tmp_path / "store") as held:
        for channel in ("trades", "bars:1m@trades"):
            export_series(held, BTC, channel, tmp_path / "archive")
    return tmp_path


READS: dict[str, Callable[[Any], Any]] = {
    "bars": lambda held: list(held.bars(BTC, "1m@trades")),
    "a table": lambda held: held.bars(BTC, "1m@trades").to_arrow(),
    "exact numbers": lambda held: held.trades(BTC).to_arrow(numbers="decimal"),
    "trades": lambda held: list(held.trades(BTC)),
    "coarser bars": lambda held: list(held.resample(BTC, "1h@trades")),
    "bars of trades": lambda held: list(held.resample(BTC, "1s@trades")),
    "ticks": lambda held: list(held.tick_bars(BTC, 5)),
    "extent": lambda held: held.extent(BTC, "trades"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("read", READS)
def test_a_closed_one_says_so_and_is_closed_twice(root: Path, kind: str, read: str) -> None:
    held = tapeline.open(root / kind)
    READS[read](held)
    held.close()
    held.close()
    with pytest.raises(StoreClosed, match=f"the {kind} at {root / kind} was closed: open it again, and read before"):
        READS[read](held)
    with pytest.raises(StoreClosed), held:
        pass


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_are_read_after_the_block_say_so(root: Path, kind: str) -> None:
    with tapeline.open(root / kind) as held:
        rows, begun, columns = (held.bars(BTC, "1m@trades") for _ in range(3))
        assert next(begun).instrument == BTC
        late = (
            lambda: list(rows), rows.to_arrow, rows.to_pandas, lambda: list(columns.tuples("close")),
            lambda: rows.coverage, lambda: rows.missing,
        )  # fmt: skip
    for read in late:
        with pytest.raises(StoreClosed, match="was closed: open it again"):
            read()


def test_a_store_begun_in_one_thread_is_not_read_in_another(root: Path) -> None:
    said: list[BaseException] = []

    def read(held: Store | Lake) -> None:
        for each in (lambda: list(held.bars(BTC, "1m@trades")), held.close):
            try:
                each()
            except ConfigError as error:
                said.append(error)

    with tapeline.open(root / "store") as held:
        thread = Thread(target=read, args=(held,))
        thread.start()
        thread.join()
        assert [str(each).partition(": ")[2] for each in said] == ["open it once more in this one"] * 2
        assert len(list(held.bars(BTC, "1m@trades"))) == 120  # and none the worse for it


WRONG: dict[str, Callable[[Any], Any]] = {
    "an instrument that is none": lambda held: held.bars(["binance:BTC/USDT"], "1m"),
    "an instrument that is a number": lambda held: held.resample(3, "1h"),
    "an interval that is a number": lambda held: held.bars(BTC, 60),
    "an interval of pandas": lambda held: held.resample(BTC, "1min"),
    "milliseconds": lambda held: held.bars(BTC, "1m@trades", 1_723_161_300_000),
    "seconds": lambda held: held.trades(BTC, end=1_723_161_300),
    "seconds to resample": lambda held: held.resample(BTC, "1h@trades", 1_723_161_300),
    "seconds of ticks": lambda held: held.tick_bars(BTC, 5, 1_723_161_300),
    "bars as trades": lambda held: held.trades(BTC, channel="bars:1m@trades"),
    "ticks of a book": lambda held: held.tick_bars(BTC, 5, channel="book"),
    "a float of volume": lambda held: list(held.volume_bars(BTC, 0.1)),
    "a value of nothing": lambda held: list(held.value_bars(BTC, None)),
    "an interval for a channel": lambda held: held.coverage(BTC, "1m"),
    "no channel": lambda held: held.coverage(BTC, None),
    "columns that are a number": lambda held: held.bars(BTC, "1m@trades").to_arrow(columns=3),
    "columns of a number": lambda held: held.bars(BTC, "1m@trades").to_arrow(columns=[3]),
    "numbers in a list": lambda held: held.bars(BTC, "1m@trades").to_arrow(numbers=["float"]),
    "a proof of another word": lambda held: held.bars(BTC, "1m@trades", require="complete"),
    "an end before the start": lambda held: held.bars(BTC, "1m@trades", "2024-08-09", "2024-08-08"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_call_is_told_in_our_words(root: Path, kind: str, wrong: str) -> None:
    with tapeline.open(root / kind) as held, pytest.raises(ConfigError):
        WRONG[wrong](held)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_beyond_all_times_and_counts_is_all(root: Path, kind: str) -> None:
    with tapeline.open(root / kind) as held:
        every = list(held.bars(BTC, "1m@trades"))
        assert list(held.bars(BTC, "1m@trades", "0001-01-01", "9999-12-31", last=2**80)) == every
        assert list(held.resample(BTC, "1M@trades", "0001-01-01", "2262-04-11T23:47:16Z")) == list(
            held.resample(BTC, "1M@trades")
        )
        table = held.bars(BTC, "1m@trades").to_arrow(columns=["close", "open", "close"])
        assert table.column_names == ["close", "open"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_made_of_other_reads(root: Path, kind: str) -> None:
    with tapeline.open(root / kind) as held:
        assert held.trade_channel(BTC) == held.trade_channel("binance:X/Y") == "trades"
        assert [each.trades for each in held.tick_bars(BTC, 50)] == [50, 10]
        assert sum(each.trades or 0 for each in held.volume_bars(BTC, 10**9)) == 60
        assert sum(each.trades or 0 for each in held.value_bars(BTC, "1e12")) == 60
        assert [each.certificate for each in held.resample(BTC, "30m@trades")][1:-1] == ["complete"] * 3
        with pytest.raises(UnknownInstrument, match="binance:X/Y"):
            held.resample("binance:X/Y", "1h")
        with pytest.raises(UnknownInstrument, match="binance:X/Y"):
            held.coverage("binance:X/Y", "trades")
        with pytest.raises(NotHeld, match="it holds"):
            held.coverage(BTC, "aggtrades")
        with pytest.raises(NotHeld, match="it holds"):
            held.tick_bars(BTC, 5, channel="aggtrades")
        with pytest.raises(NotProven):
            held.resample(BTC, "1h@trades", require="proven")
