from collections.abc import Callable
from pathlib import Path

import pytest

from tapeline.errors import ConfigError, NotHeld
from tapeline.model.event import Bar, Trade
from tapeline.store.reader import open_store
from tapeline.store.series import SeriesStore
from tapeline.store.watching import LOOK_BACK, Watch, place

BTC = "binance:BTC/USDT"


class Waiting:
    """A clock that writes what comes next whenever somebody waits."""

    def __init__(self, *steps: Callable[[], None]) -> None:
        self.steps, self.at, self.waits = list(steps), 0.0, 0

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds
        self.waits += 1
        if self.steps:
            self.steps.pop(0)()


def test_new_trades_come_once_in_order_and_it_ends(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    store = SeriesStore(tmp_path)
    store.write([trade(1), trade(5)])
    waiting = Waiting(
        lambda: store.write([trade(6), trade(7)]), lambda: None, lambda: store.write([trade(7), trade(4)])
    )
    with open_store(tmp_path) as held:
        watch = held.watch(BTC, "trades", within_s=1.0, poll_s=0.1)
        watch._now, watch._sleep = waiting.now, waiting.sleep
        assert [each.seq for each in watch] == [6, 7, 4]
        assert round(waiting.at, 6) == 1.3  # a second after the last
        assert [each.seq for each in held.watch(BTC, "trades", trade(5).at_ns, within_s=0)] == [5, 6, 7]
        assert list(held.watch(BTC, "trades", "2030-01-01", within_s=0)) == []
    store.close()


def test_a_revised_bar_comes_again(tmp_path: Path, bar: Callable[..., Bar]) -> None:
    store = SeriesStore(tmp_path)
    store.write([bar(open_at_ns=0), bar(open_at_ns=60)])
    waiting = Waiting(lambda: store.write([bar(open_at_ns=60, revision=2)]), lambda: store.write([bar(open_at_ns=120)]))
    with open_store(tmp_path) as held:
        watch = held.watch(BTC, "bars:1m@trades", within_s=0.5)
        watch._now, watch._sleep = waiting.now, waiting.sleep
        assert [(each.open_at_ns, each.revision) for each in watch] == [(60, 2), (120, 1)]
    store.close()


def test_what_it_remembers_is_bounded_and_nothing_is_lost(trade: Callable[..., Trade]) -> None:
    rows = [trade(n) for n in range(1, 5 * LOOK_BACK)]
    upto = [0]
    asked: list[int] = []

    def read(floor: int) -> list[Trade]:
        asked.append(floor)
        return [each for each in rows[: upto[0]] if place(each) >= floor]

    watch: Watch[Trade] = Watch(read, lambda: upto[0], 0, within_s=0.0, poll_s=1.0)
    found = []
    for upto[0] in (LOOK_BACK, 3 * LOOK_BACK, 5 * LOOK_BACK):
        found += list(watch)
    assert found == rows
    assert len(watch._seen) <= 2 * LOOK_BACK
    assert asked[-1] > LOOK_BACK


def test_what_is_kept_as_no_rows_is_not_watched(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    store = SeriesStore(tmp_path)
    store.write([trade(1)])
    store.close()
    with open_store(tmp_path) as held:
        for channel in ("book", "quotes", "funding"):
            with pytest.raises(ConfigError, match=f"{channel} cannot be watched: trades, aggtrades and bars"):
                held.watch(BTC, channel)
        with pytest.raises(NotHeld, match="holds no bars:1h"):
            held.watch(BTC, "bars:1h")
        with pytest.raises(ConfigError, match=r"within_s='1', poll_s=0\.05: seconds, as numbers"):
            held.watch(BTC, "trades", within_s="1")  # type: ignore[arg-type]  # what a notebook may give
