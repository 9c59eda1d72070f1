import pytest

from tapeline.errors import ConfigError
from tapeline.model.channel import PLAIN, Channel, channel
from tapeline.model.interval import NAMES


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("trades", Channel("trades")),
        ("open_interest", Channel("open_interest")),
        ("book", Channel("book")),
        ("book:20", Channel("book", levels=20)),
        ("book@1000ms", Channel("book", speed="1000ms")),
        ("book:5@100ms", Channel("book", levels=5, speed="100ms")),
        ("bars:1m", Channel("bars", interval="1m")),
        ("bars:1M@trades", Channel("bars", interval="1M", built_from="trades")),
        ("bars:4h@aggtrades", Channel("bars", interval="4h", built_from="aggtrades")),
    ],
)
def test_a_channel_reads_and_writes_itself(text: str, parsed: Channel) -> None:
    assert channel(text) == parsed
    assert str(parsed) == text


def test_every_plain_channel_and_every_interval() -> None:
    for name in (*PLAIN, *(f"bars:{each}" for each in NAMES)):
        assert str(channel(name)) == name


@pytest.mark.parametrize(("text", "wire"), [("bars:1m@trades", "trades"), ("bars:1m", "bars:1m"), ("book:5", "book:5")])
def test_what_a_venue_has_to_stream_for_it(text: str, wire: str) -> None:
    assert str(channel(text).wire) == wire


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trade", "unknown channel 'trade': did you mean 'trades'"),
        ("Quotes", "did you mean 'quotes'"),
        ("zzz", "unknown channel 'zzz': one of"),
        ("", "unknown channel ''"),
        ("book:0", "a book has at least one level"),
        ("book:", "unknown channel 'book:'"),
        ("book:12345", "unknown channel"),
        ("book@fast", "unknown channel"),
        ("book:٣", "unknown channel"),
        ("trades\n", "unknown channel"),
        ("bars:2m", "unknown interval '2m'"),
        ("bars:", "unknown interval ''"),
        ("bars:1m@quotes", "bars are built from trades or aggtrades, not from 'quotes'"),
        ("bars:1m@", "bars are built from trades or aggtrades, not from ''"),
    ],
)
def test_what_is_no_channel_is_refused_with_the_nearest_word(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        channel(text)


@pytest.mark.parametrize("wrong", [["trades"], None, 5])
def test_what_is_no_text_is_told(wrong: object) -> None:
    with pytest.raises(
        ConfigError, match="is no channel: write it as text, as 'trades', and several one after the other"
    ):
        channel(wrong)  # type: ignore[arg-type]  # what a notebook may give
