from dataclasses import replace

import toy_venue as toy

from tapeline.model.event import BookSnapshot, Event, Trade
from tapeline.model.topic import Topic
from tapeline.sim.market import Market
from tapeline.sim.paper.feed import PaperFeed, answers, listed
from tapeline.sim.recording import Recorded, Recording
from tapeline.sim.source import Source
from tapeline.venues.spec import Ask, Venue

NATIVE = {toy.AB.native: toy.AB}
SNAPSHOT = toy.snapshot(5, 0.5, [("99", "5")], [("100", "2")])


def feed(venue: Venue, source: Source) -> tuple[PaperFeed, list[tuple[Event, int]]]:
    heard: list[tuple[Event, int]] = []
    return PaperFeed(venue, source, NATIVE, lambda event, at_ns: heard.append((event, at_ns))), heard


def test_one_stream_of_trades_and_one_of_the_book_are_followed() -> None:
    source = Market(toy.TOY, 7, toy.START_NS)
    made, heard = feed(toy.TOY, source)
    made.begin(toy.START_NS)
    assert list(made.topics) == [Topic("trades", "AB"), Topic("book", "AB")]
    assert isinstance(heard[0][0], BookSnapshot)
    assert len(heard) == 1
    moments = source.take(None, 40, dict.fromkeys(made.topics))
    made.take(
        [*moments, (toy.START_NS, Topic("ticker", "AB"), b"another"), (toy.START_NS, Topic("trades", "AB"), b"{")]
    )
    assert {type(event).__name__ for event, _ in heard[1:]} == {"Trade", "BookDelta"}
    assert all(at_ns == moments[index][0] for index, (_, at_ns) in enumerate(heard[1:2]))


def test_a_book_that_comes_later_is_waited_for() -> None:
    frames = [toy.delta(4, 0.0, [], [("101", "1")]), toy.delta(6, 1.5, [("98", "1")], []), toy.trade(1, 1.6)]
    body = toy.answer_rest(Ask("depth"), [toy.decode_market(SNAPSHOT[1], 1)[0]])  # type: ignore[list-item]  # an event
    recorded = Recorded(toy.START_NS + 10**9, "/depth", {"native": "AB"}, body)
    for known, books in (((recorded,), 1), ((), 0)):
        source = Recording(toy.TOY, frames, known)
        made, heard = feed(toy.TOY, source)
        made.begin(toy.START_NS)
        made.take(source.take(None, 1, {}))
        made.take(source.take(None, 9, {}))
        snapshots = [event for event, _ in heard if isinstance(event, BookSnapshot)]
        assert len(snapshots) == books
        assert [event.channel for event in snapshots] == ["book"] * books


def test_a_book_whose_stream_begins_with_its_state_is_taken_from_there() -> None:
    source = Recording(toy.SNAPPY, [SNAPSHOT, toy.trade(1, 0.7)])
    made, heard = feed(toy.SNAPPY, source)
    made.begin(toy.START_NS)
    assert heard == []
    made.take(source.take(None, 1, {}))
    assert [type(event) for event, _ in heard] == [BookSnapshot]
    made.take(source.take(None, 1, {}))
    assert [type(event) for event, _ in heard] == [BookSnapshot, Trade]


def test_without_a_book_quotes_are_followed_and_without_all_of_it_bars() -> None:
    bars = replace(toy.TOY, feeds={"bars": toy.TOY.feeds["bars"]})
    made, _ = feed(bars, Market(bars, 7, toy.START_NS))
    made.begin(toy.START_NS)
    assert list(made.topics) == [Topic("bars:1m", "AB")]
    quotes = replace(toy.TOY, feeds={name: toy.TOY.feeds[name] for name in ("aggtrades", "quotes")})
    made, heard = feed(quotes, Market(quotes, 7, toy.START_NS))
    made.begin(toy.START_NS)
    assert (list(made.topics), heard) == ([Topic("aggtrades", "AB"), Topic("quotes", "AB")], [])


def test_what_a_source_lists() -> None:
    assert [one.native for one in listed(toy.TOY, Market(toy.TOY, 7, toy.START_NS))] == ["AB", "BTC-PERP"]
    assert [one.native for one in listed(toy.TOY, Recording(toy.TOY, [toy.trade(1, 1)]))] == ["AB"]
    broken = Recording(toy.TOY, [], [Recorded(toy.START_NS, "/bars", {"native": "AB", "interval": "1m"}, b"{")])
    assert answers(toy.TOY, broken, Ask("bars", "AB", interval="1m"), toy.START_NS) == ()
    assert answers(toy.TOY, broken, Ask("depth", "CD"), toy.START_NS) == ()
