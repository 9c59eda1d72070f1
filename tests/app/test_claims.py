"""What streams ask of a venue: who keeps a stream where few are allowed, and what cannot be had."""

import asyncio
import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from mode_fixtures import House, Show, on, stream
from tapeline.config import StreamConfig, VenueConfig
from tapeline.errors import ConfigError
from tapeline.model.event import Bar


def test_who_keeps_a_stream_where_the_venue_takes_few_topics(tmp_path: Path) -> None:
    house = House(
        tmp_path, stream("bars:1m", symbols=("BTC/USDT", "ETH/USDT")), stream("trades", symbols=("ETH/BTC",)),
        stream("quotes", symbols=("BTC/USDT",)), listed=3,
    )  # fmt: skip
    first, second, third = house.config.stream
    streams = (first, replace(second, websocket_priority=5), third)
    house.config = replace(house.config, venue={"binance": VenueConfig(max_topics=2)}, stream=streams)

    async def play(show: Show) -> None:
        await asyncio.sleep(130)
        uses = {(row["instrument"], *row["channels"]): row["uses"] for row in show.running.modes.rows()}
        assert uses == {
            ("binance:BTC/USDT", "bars:1m"): "polling", ("binance:ETH/USDT", "bars:1m"): "polling",
            ("binance:ETH/BTC", "trades"): "websocket", ("binance:BTC/USDT", "quotes"): "websocket",
        }  # fmt: skip
        assert "higher websocket_priority" in show.row("bars:1m", "binance:BTC/USDT")["why"]
        assert [bar.source for bar in show.of(Bar, "bars:1m")] == ["rest"] * 4

    on(house, play)


@pytest.mark.parametrize(
    ("streams", "fault"),
    [
        ((stream("trades", "book", mode="polling"),), "book .* cannot be polled: no REST call brings it whole"),
        ((stream("trades", mode="polling"), stream("trades", mode="hybrid")), "asked for as polling .* and as hybrid"),
    ],
)
def test_what_cannot_be_is_said_at_the_start(tmp_path: Path, streams: tuple[StreamConfig, ...], fault: str) -> None:
    async def play(_show: Show) -> None:
        raise AssertionError("it starts")

    with pytest.raises(ExceptionGroup) as told:
        on(House(tmp_path, *streams), play)
    (error,) = told.value.exceptions
    assert isinstance(error, ConfigError)
    assert re.search(fault, str(error))
