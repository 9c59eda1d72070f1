from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tapeline.errors import BadData
from tapeline.market.resample import resample
from tapeline.model.channel import Channel
from tapeline.model.event import Bar
from tapeline.model.interval import interval
from tapeline.model.number import EXACT
from tapeline.store.asked import FIRST, LAST
from tapeline.store.export import export_series
from tapeline.store.lake import Lake, open_lake
from tapeline.store.reader import open_store
from tapeline.store.series import SeriesStore

BTC = "binance:BTC/USDT"
MINUTE_NS = 60_000_000_000
BUILT = Channel("bars", interval="1m", built_from="trades")


def archived(folder: Path, bars: list[Bar], of: Channel = BUILT) -> Lake:
    store = SeriesStore(folder)
    store.write(bars)
    store.close()
    with open_store(folder) as held:
        export_series(held, BTC, str(of), folder / "archive", partition="day")
    return open_lake(folder / "archive")


def both(lake: Lake, to: str, of: Channel = BUILT) -> tuple[list[Bar], list[Bar]]:
    """What DuckDB reckons, and what is made of the parts one by one."""
    found = lake.coarser(BTC, of, interval(to), (FIRST, LAST), None)
    return list(found), list(resample(lake.bars(BTC, str(of)), interval(to)))


sizes = st.builds(lambda digits, behind: Decimal(digits).scaleb(-behind), st.integers(0, 10**15), st.integers(0, 8))
parts = st.tuples(
    st.integers(0, 6000), sizes, st.none() | sizes, st.none() | st.integers(0, 9), st.none() | st.integers(1, 99),
    st.sampled_from(["complete", "partial", "repaired"]), st.integers(1, 3),
)  # fmt: skip


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(parts, min_size=1, max_size=60, unique_by=lambda each: each[0]),
    st.sampled_from(["5m", "1h", "1w", "1M"]),
)
def test_duckdb_reckons_what_the_parts_make(bar: Callable[..., Bar], given_parts: list[tuple], to: str) -> None:  # type: ignore[type-arg]  # as drawn
    bars = [
        bar(
            open_at_ns=at * MINUTE_NS, open=price, high=price + at * at, low=price, close=price + at, volume=price,
            quote_volume=quote, taker_buy_volume=quote, trades=trades, first_id=ident, last_id=ident,
            certificate=certificate, revision=revision, at_ns=at if at % 4 else None, received_ns=at + 7,
            known_at_ns=None if at % 3 else at * MINUTE_NS,
        )
        for at, price, quote, trades, ident, certificate, revision in given_parts
    ]  # fmt: skip
    with TemporaryDirectory() as folder, archived(Path(folder), bars) as lake:
        found, wanted = both(lake, to)
        assert found == wanted


def test_the_parts_are_not_looked_at_where_they_can_be_summed(
    tmp_path: Path, bar: Callable[..., Bar], monkeypatch: pytest.MonkeyPatch
) -> None:
    venue = Channel("bars", interval="1m")
    bars = [
        bar(open_at_ns=n * MINUTE_NS, origin="venue", channel="bars:1m", certificate="") for n in range(200) if n != 70
    ]
    with archived(tmp_path, bars, venue) as lake:
        found, wanted = both(lake, "1h", venue)
        monkeypatch.setattr(Lake, "bars", None)
        assert list(lake.resample(BTC, "1h")) == found == wanted
    assert [each.certificate for each in found] == ["complete", "partial", "complete", "partial"]
    assert found[0].volume == 60 * bars[0].volume


def test_numbers_that_no_decimal_of_duckdb_holds_are_summed_part_by_part(
    tmp_path: Path, bar: Callable[..., Bar]
) -> None:
    long = Decimal("99999999999999999999.123456789012345678")
    with archived(tmp_path, [bar(open_at_ns=n * MINUTE_NS, volume=long) for n in range(120)]) as lake:
        found, wanted = both(lake, "1h")
    assert found == wanted
    assert [each.volume for each in found] == [EXACT.multiply(long, Decimal(60))] * 2


def test_a_part_that_reaches_over_the_end_is_refused(tmp_path: Path, bar: Callable[..., Bar]) -> None:
    with archived(tmp_path, [bar(open_at_ns=59 * MINUTE_NS + 1)]) as lake, pytest.raises(BadData, match="reaches over"):
        both(lake, "1h")
