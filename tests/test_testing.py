"""The test kit itself: it passes what keeps the contract, and says what does not."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from tapeline.errors import BadData
from tapeline.model.event import Event, Trade
from tapeline.model.topic import Topic
from tapeline.testing import Scene, check_venue, example_channels
from tapeline.venues import venue_named
from tapeline.venues.spec import Decode, Heartbeat, Venue

BINANCE = venue_named("binance")


def broken(wrap: Callable[[Decode], Decode]) -> Venue:
    """Binance with a decoder that is not as it should be."""
    return replace(BINANCE, decoder=lambda name, instruments: wrap(BINANCE.decoder(name, instruments)))


def test_a_decoder_that_raises_anything_else_is_found() -> None:
    def wrap(decode: Decode) -> Decode:
        def careless(frame: bytes, received_ns: int) -> Any:
            try:
                return decode(frame, received_ns)
            except BadData:
                return [frame[1000]]

        return careless

    with pytest.raises(AssertionError, match=r"raised IndexError.*not BadData"):
        check_venue(broken(wrap))


def test_a_topic_of_that_raises_is_found() -> None:
    assert BINANCE.server is not None
    careless = replace(BINANCE.server, topic_of=lambda frame: Topic("", str(frame[1000])))
    with pytest.raises(AssertionError, match=r"topic_of\(b''\) raised IndexError.*not None"):
        check_venue(replace(BINANCE, server=careless))


def test_a_decoder_that_changes_a_number_is_found() -> None:
    def wrap(decode: Decode) -> Decode:
        def rounding(frame: bytes, received_ns: int) -> Any:
            items = decode(frame, received_ns)
            return [msgspec.structs.replace(x, size=x.size + 1) if isinstance(x, Trade) else x for x in items]

        return rounding

    with pytest.raises(
        AssertionError, match=r"binance trades\.size: sent Decimal\('0\.25'\), came back Decimal\('1\.25'\)"
    ):
        check_venue(broken(wrap))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "Binance"}, "lower case"),
        ({"name": "bin:ance"}, "a colon separates"),
        ({"urls": {"rest": "https://x"}}, "has no URL"),
        ({"rest": {}}, "needs REST calls"),
        ({"heartbeat": Heartbeat(every_s=60, silence_s=30)}, "silence is shorter"),
        ({"server": None}, "has no server"),
    ],
)
def test_a_declaration_that_cannot_be_is_named(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        check_venue(replace(BINANCE, **changes))


def test_every_speed_depth_and_interval_is_an_example() -> None:
    names = [str(of) for of in example_channels(BINANCE.feeds["book"])]
    assert names == ["book", "book@1000ms", "book:5", "book:10", "book:20"]
    assert len(example_channels(BINANCE.feeds["bars"])) == 16


def test_a_story_plays_in_virtual_time(simulated_venue: Callable[..., None]) -> None:
    async def story(scene: Scene) -> None:
        events: list[Event] = []
        scene.instance.on(events.append, of="trades")
        (answer,) = await scene.instance.subscribe("binance:BTC/USDT", ["trades"])
        assert answer.state == "live"
        before = scene.clock.now()
        await asyncio.sleep(60)
        assert scene.clock.now() - before == 60
        assert len(events) > 60
        assert scene.venue.dialled == 2

    simulated_venue(story, BINANCE, faults=["cut@+20s"])


def test_a_story_that_fails_fails_as_it_is(simulated_venue: Callable[..., None]) -> None:
    async def story(_scene: Scene) -> None:
        raise KeyError("mine")

    with pytest.raises((KeyError, ExceptionGroup)):
        simulated_venue(story, BINANCE)


def test_a_world_keeps_its_promises(world: Callable[..., Any]) -> None:
    report = world(BINANCE, 5, duration_s=3600.0, fault_count=3)
    assert report.violations == ()


@pytest.mark.parametrize("name", ["binance", "binance-usdm", "okx"])
def test_what_keeps_the_contract_passes(name: str) -> None:
    check_venue(venue_named(name))
