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
from tapeline.store.asked import FIRST, LAST
from tapeline.store.reader import Store, open_store
from tapeline.store.series import SeriesStore

BTC = "binance:BTC/USDT"
MINUTE_NS = 60_000_000_000
HOUR = interval("1h")


def kept(folder: Path, bars: list[Bar]) -> Store:
    store = SeriesStore(folder)
    store.write(bars)
    store.close()
    return open_store(folder)


def both(held: Store, of: str, to: str) -> tuple[list[Bar], list[Bar]]:
    """What SQLite reckons, and what is made of the parts one by one."""
    source, step = Channel("bars", interval="1m", built_from=of), interval(to)
    found = held.coarser(BTC, source, step, (FIRST, LAST), None)
    return list(found), list(resample(held.bars(BTC, str(source).removeprefix("bars:")), step))


def sized(digits: int, behind: int) -> Decimal:
    return Decimal(digits).scaleb(-behind)


sizes = st.builds(sized, st.integers(0, 10**17), st.integers(0, 12)) | st.builds(
    sized, st.integers(0, 10**15), st.integers(0, 8)
)
parts = st.tuples(
    st.integers(-100, 3000), sizes, st.none() | sizes, st.none() | st.integers(0, 9), st.none() | st.integers(1, 99),
    st.sampled_from(["complete", "partial", "repaired"]), st.integers(1, 3),
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(parts, min_size=1, max_size=80, unique_by=lambda each: each[0]), st.sampled_from(["5m", "1h", "1w", "1M"])
)
def test_sqlite_reckons_what_the_parts_make(bar: Callable[..., Bar], given_parts: list[tuple], to: str) -> None:  # type: ignore[type-arg]  # as drawn
    bars = [
        bar(
            open_at_ns=at * MINUTE_NS, open=price, high=price + at * at, low=price / 2 if price < 10**12 else price,
            close=price, volume=price, quote_volume=quote, taker_buy_volume=quote, trades=trades, first_id=ident,
            last_id=ident, certificate=certificate, revision=revision, known_at_ns=None if at % 3 else at * MINUTE_NS,
            received_ns=at + 7,
        )
        for at, price, quote, trades, ident, certificate, revision in given_parts
    ]  # fmt: skip
    with TemporaryDirectory() as folder, kept(Path(folder), bars) as held:
        found, wanted = both(held, "trades", to)
        assert found == wanted


def minutes(bar: Callable[..., Bar], opens: range, **changes: object) -> list[Bar]:
    return [bar(open_at_ns=i * MINUTE_NS, **changes) for i in opens]


def test_the_parts_are_not_looked_at_where_they_can_be_summed(
    tmp_path: Path, bar: Callable[..., Bar], monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = [
        Decimal("0.00000001"),
        Decimal("67108863.9999999"),
        Decimal("12345678.12345678"),
        Decimal("99999999999.25"),
    ]
    parts = [bar(open_at_ns=i * MINUTE_NS, volume=usual[i % 4], quote_volume=usual[-i % 4]) for i in range(240)]
    with kept(tmp_path, parts) as held:
        _, wanted = both(held, "trades", "1h")
        monkeypatch.setattr(Store, "bars", None)
        found = held.coarser(BTC, Channel("bars", interval="1m", built_from="trades"), HOUR, (FIRST, LAST), None)
        assert list(found) == wanted
        assert wanted[0].volume == 15 * sum(usual)


@pytest.mark.parametrize("odd", ["12345678.123456789", "0.000000001", "1234567890123456", "0.1234567890123456789"])
def test_one_part_that_cannot_be_summed_has_its_bar_made_of_all(
    tmp_path: Path, bar: Callable[..., Bar], odd: str
) -> None:
    parts = [bar(open_at_ns=i * MINUTE_NS, volume=Decimal(odd if i == 70 else "2.5")) for i in range(180)]
    with kept(tmp_path, parts) as held:
        found, wanted = both(held, "trades", "1h")
        assert found == wanted
        assert [each.volume for each in found] == [150, Decimal("147.5") + Decimal(odd), 150]


def test_the_venues_bars_that_are_not_one_after_the_other_make_no_whole(
    tmp_path: Path, bar: Callable[..., Bar]
) -> None:
    venue = {"origin": "venue", "channel": "bars:1m", "certificate": ""}
    aside = [bar(open_at_ns=130 * MINUTE_NS + MINUTE_NS // 2, **venue)]  # as many as there should be, and one is not it
    with kept(tmp_path, [*minutes(bar, range(130), **venue), *aside, *minutes(bar, range(131, 200), **venue)]) as held:
        found, wanted = both(held, "", "1h")
        assert found == wanted
        assert [each.certificate for each in found] == ["complete", "complete", "partial", "partial"]


def test_a_part_that_reaches_over_the_end_is_refused(tmp_path: Path, bar: Callable[..., Bar]) -> None:
    with kept(tmp_path, [bar(open_at_ns=59 * MINUTE_NS + 1)]) as held, pytest.raises(BadData, match="reaches over"):
        both(held, "trades", "1h")
