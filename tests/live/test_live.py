"""Real venues, read-only, public data, a minute each: `uv run pytest -m live`. Off by default; needs the internet."""

import asyncio

import pytest

import tapeline
from tapeline.model.event import Gap

pytestmark = pytest.mark.live
STREAMS = [
    ("binance:BTC/USDT", ("trades", "quotes", "book", "bars:1m")),
    ("binance-usdm:BTC/USDT:USDT", ("aggtrades", "quotes", "book", "mark", "funding", "bars:1m")),
    ("okx:BTC/USDT", ("trades", "quotes", "book", "bars:1m")),
]


@pytest.mark.parametrize(("instrument", "channels"), STREAMS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_minute_of_real_data(instrument: str, channels: tuple[str, ...]) -> None:
    async def main() -> None:
        async with tapeline.Feed() as feed:
            gaps: list[Gap] = []
            feed.instance.bus.subscribe(gaps.append, types=(Gap,))
            answers = await feed.subscribe(instrument, *channels)
            assert [(answer.channel, answer.state) for answer in answers] == [(name, "live") for name in channels]
            await asyncio.sleep(60)
            assert gaps == []
            bid, ask = feed.book(instrument).best()
            assert bid is not None
            assert ask is not None
            assert bid[0] < ask[0]
            problems = feed.instance.problems.by_kind()
            assert not any(
                kind in {"schema", "unknown_type", "bad_json"} for kinds in problems.values() for kind in kinds
            )

    asyncio.run(main())
