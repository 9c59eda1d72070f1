"""Tapeline from Python, over loopback sockets."""

import asyncio
from typing import Any

import pytest

import tapeline
from tapeline.errors import ConfigError, UnknownInstrument

pytestmark = pytest.mark.sockets
BTC = "binance:BTC/USDT"


def urls(address: str) -> dict[str, dict[str, str]]:
    return {"binance": {"ws": f"ws://{address}", "rest": f"http://{address}"}}


def test_subscribe_call_back_iterate_and_read_a_book(market: Any) -> None:
    async def main() -> None:
        async with market() as address, tapeline.Feed(urls=urls(address)) as feed:
            seen: list[Any] = []
            handle = feed.on(seen.append, BTC, "quotes")
            stream = feed.stream(BTC, "trades")
            answers = await feed.subscribe(BTC, "trades", "quotes", "book", "bars:1s@trades")
            assert [(answer.channel, answer.state) for answer in answers] == [
                ("trades", "live"), ("quotes", "live"), ("book", "live"), ("bars:1s@trades", "live"),
            ]  # fmt: skip
            seqs = [(await anext(stream)).seq for _ in range(10)]
            assert seqs == list(range(seqs[0], seqs[0] + 10))
            bids, asks = feed.book(BTC).top(3)
            assert len(bids) == len(asks) == 3
            assert bids[0][0] < asks[0][0]
            handle.close()
            count = len(seen)
            assert count > 0
            await asyncio.sleep(0.5)
            assert len(seen) == count
            await feed.unsubscribe(BTC, "quotes")
            told = feed.statistics()
            (connection,) = told["connections"]
            assert (connection["state"], connection["live_topics"]) == ("live", 2)
            assert told["events"]["trade"] >= 10
            outlets = [each for each in told["subscribers"] if each["name"].endswith("Outlet.put")]
            assert [each["channel"] for each in outlets] == ["trades"]
            stream.close()
            assert not [each for each in feed.statistics()["subscribers"] if each["name"].endswith("Outlet.put")]

    asyncio.run(main())


def test_a_stream_that_wants_all_of_it_gets_all_of_it_across_a_cut(market: Any) -> None:
    async def main() -> None:
        async with market(faults=("cut@+3s+2s",)) as address, tapeline.Feed(urls=urls(address)) as feed:
            whole = feed.stream(BTC, "trades", order="complete")
            live = feed.stream(BTC, "trades")
            await feed.subscribe(BTC, "trades")
            gap = await anext(event async for event in live if type(event).__name__ == "Gap")
            seqs = [(await anext(whole)).seq]
            async with asyncio.timeout(20):
                while seqs[-1] <= gap.before_seq:
                    event = await anext(whole)
                    assert type(event).__name__ in {"Trade", "Repair"}, event
                    seqs += [event.seq] if type(event).__name__ == "Trade" else []
            assert seqs == list(range(seqs[0], seqs[-1] + 1))
        async with tapeline.Feed(urls=urls(address), repair=False) as feed:
            with pytest.raises(ConfigError, match="repair is off"):
                feed.stream(BTC, "trades", order="complete")

    asyncio.run(main())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"binanse": {"ws": "ws://127.0.0.1:1"}}, "unknown venue 'binanse': did you mean 'binance'?"),
        (
            {"binance": {"ws_url": "ws://127.0.0.1:1"}},
            r"urls\['binance'\]: unknown key 'ws_url': there are ws and rest",
        ),
        ({"binance": "ws://127.0.0.1:1"}, r"urls\['binance'\] is 'ws://127.0.0.1:1': write {'ws': 'wss://...', 'rest'"),
    ],
)
def test_addresses_that_name_nothing_do_not_lead_to_the_real_venue(given: Any, said: str) -> None:
    async def main() -> None:
        async with tapeline.Feed(urls=given):
            raise AssertionError("it was opened")

    with pytest.raises(ConfigError, match=said):
        asyncio.run(main())


def test_mistakes_come_out_as_they_are(market: Any) -> None:
    async def unknown(address: str) -> None:
        async with tapeline.Feed(urls=urls(address)) as feed:
            await feed.subscribe("binance:NOPE/USDT", "trades")

    async def main() -> None:
        async with market() as address:
            with pytest.raises(UnknownInstrument):
                await unknown(address)
            async with tapeline.Feed(urls=urls(address)) as feed:
                for wrong, said in (
                    ((BTC, ["trades"]), r"\['trades'\] is no channel: .* several one after the other"),
                    ((BTC,), "no channel of binance:BTC/USDT: name them one after the other"),
                    ((["binance:BTC/USDT"], "trades"), "is no instrument: write it as text"),
                    ((BTC, "trade"), "did you mean 'trades'"),
                ):
                    for ask in (feed.subscribe, feed.unsubscribe):
                        with pytest.raises(ConfigError, match=said):
                            await ask(*wrong)
                with pytest.raises(ConfigError, match="coroutine function: use `async for`"):
                    feed.on(unknown)
                with pytest.raises(ConfigError, match="trades cannot be conflated"):
                    feed.stream(BTC, "trades", policy="conflate").put(tapeline_trade())
        with pytest.raises(RuntimeError, match="async with Feed"):
            _ = tapeline.Feed().instance

    asyncio.run(main())


def tapeline_trade() -> Any:
    from decimal import Decimal  # noqa: PLC0415  # only here

    from tapeline.model.event import Trade  # noqa: PLC0415  # only here

    return Trade(BTC, "trades", 1, 1, "ws", "1", 1, "buy", Decimal(1), Decimal(1))


def test_the_front_door_is_small_and_says_what_it_has_not() -> None:
    assert tapeline.__all__ == ["Feed", "Strategy", "open"]
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = tapeline.nothing
