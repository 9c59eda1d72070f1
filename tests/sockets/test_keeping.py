"""What is kept, held against what was streamed: run over sockets, since that is where frames and answers come from."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tapeline.app.running import start
from tapeline.config import Config, StoreConfig, StreamConfig
from tapeline.store.reader import open_store

pytestmark = pytest.mark.sockets
PERP = "binance-usdm:BTC/USDT:USDT"


def test_slow_channels_links_and_the_venues_bars_are_kept_quotes_are_not(market: Any, tmp_path: Path) -> None:
    async def main() -> None:
        async with market("binance-usdm") as address:
            channels = ("aggtrades", "quotes", "mark", "funding", "bars:1m", "bars:1s@aggtrades")
            stream = StreamConfig(
                venue="binance-usdm", symbols=("BTC/USDT:USDT",), channels=channels, ws_url=f"ws://{address}",
                rest_url=f"http://{address}",
            )  # fmt: skip
            async with start(Config(store=StoreConfig(path=str(tmp_path), tape=False), stream=(stream,))) as running:
                await asyncio.sleep(4.0)
                assert running.keeping.tape is None
                assert running.status()["store"]["dropped"] == 0

    asyncio.run(main())
    with open_store(tmp_path) as held:
        assert len(held.events(PERP, "mark")) >= 2
        assert held.events(PERP, "funding")[0]["type"] == "funding"
        assert list(held.trades(PERP))
        assert {bar.certificate for bar in held.bars(PERP, "1s@aggtrades")} == {"partial", "complete"}
        assert {link.change for link in held.links()} >= {"up", "state"}
        kept = {channel for who, channel in held.series() if who == PERP}
        points = {point.channel for point in held.points()}
    assert "quotes" in points
    assert kept >= {"aggtrades", "mark", "funding", "bars:1s@aggtrades"}
