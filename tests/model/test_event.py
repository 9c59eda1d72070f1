from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tapeline.model.event import (
    EVENTS,
    Bar,
    BookDelta,
    BookSnapshot,
    Event,
    Gap,
    Link,
    Notice,
    Trade,
    levels,
    type_name,
)

# design: names are JSON, SQL columns and public API at once
NAMES = {
    "trade": "id seq side price size first_id last_id",
    "quote": "bid bid_size ask ask_size update_id",
    "ticker": "last open high low volume quote_volume bid ask",
    "bar": "interval open_at_ns open high low close volume quote_volume trades taker_buy_volume first_id last_id "
    "closed certificate revision origin reason known_at_ns",
    "book_snapshot": "bids asks first_seq last_seq prev_seq checksum",
    "book_delta": "bids asks first_seq last_seq prev_seq checksum",
    "mark": "price",
    "index": "price",
    "funding": "rate interval_s next_at_ns",
    "open_interest": "size",
    "liquidation": "side price size",
    "status": "status text",
    "notice": "venue code text",
    "link": "venue connection topics change state reason attempts final",
    "repair": "from_ns to_ns state rows cause why",
    "dispute": "from_ns to_ns why",
    "alert": "kind state subject value limit text",
    "mode_change": "channels mode before after reason",
    "gap": "after_ns before_ns after_seq before_seq cause open",
}


@pytest.mark.parametrize("event", EVENTS, ids=lambda each: each.__name__)
def test_the_names_of_every_event_are_settled(event: type[msgspec.Struct]) -> None:
    tag = str(event.__struct_config__.tag)
    common = ("instrument", "channel", "at_ns", "received_ns", "source")
    assert event.__struct_fields__ == (*common, *NAMES[tag].split())
    assert event.__struct_config__.frozen
    assert not event.__struct_config__.gc


def test_every_event_is_told_and_none_twice() -> None:
    assert {str(event.__struct_config__.tag) for event in EVENTS} == set(NAMES)
    assert set(Event.__args__) == set(EVENTS)


def trade(**more: Any) -> Trade:
    return Trade("toy:A/X", "trades", 5, 9, "ws", "7", 7, "buy", Decimal("1.10"), Decimal("1E-7"), **more)


def test_an_event_goes_to_json_and_back_with_every_digit() -> None:
    raw = msgspec.json.encode(trade())
    assert msgspec.json.decode(raw)["type"] == "trade"
    assert msgspec.json.decode(raw)["price"] == "1.10"
    back = msgspec.json.decode(raw, type=Event)
    assert back == trade()
    assert isinstance(back, Trade)
    assert back.price.as_tuple() == Decimal("1.10").as_tuple()


def test_events_of_different_types_are_told_apart() -> None:
    gap = Gap("toy:A/X", "trades", None, 9, "built", 1, 5, 1, 5, "id_jump")
    link = Link(None, "link", None, 9, "ws", "toy", "c", ("t",), "down", "backing_off", "cut")
    for event in (gap, link, Notice(None, "notice", None, 9, "ws", "toy", "", "maintenance")):
        assert msgspec.json.decode(msgspec.json.encode(event), type=Event) == event
    assert (gap.open, link.final, link.attempts) == (False, False, 0)


def test_an_event_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        trade().price = Decimal(2)  # type: ignore[misc]  # that is the point


def test_a_bars_defaults_are_the_venues_own_open_bar() -> None:
    one = Decimal(1)
    bar = Bar(
        "toy:A/X", "bars:1m", None, 9, "ws", "1m", 0, one, one, one, one, one, None, None, None, None, None, False
    )
    assert (bar.certificate, bar.revision, bar.origin, bar.reason, bar.known_at_ns) == ("", 0, "venue", "", None)


def test_levels_become_exact_numbers_on_reading() -> None:
    book = BookSnapshot("toy:A/X", "book", 5, 9, "ws", (("1.10", "2"), ("1.0", "0.000")), ())
    assert levels(book.bids) == [(Decimal("1.10"), Decimal(2)), (Decimal("1.0"), Decimal(0))]
    assert levels(book.asks) == []


def test_type_names() -> None:
    assert type_name(trade()) == "trade"
    assert type_name(BookDelta("toy:A/X", "book", 5, 9, "ws", (), ())) == "book_delta"
