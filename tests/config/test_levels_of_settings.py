import pytest

from tapeline.config.levels import Place, connection_for, connection_origins, faults, place_of
from tapeline.config.tree import Config, ConnectionConfig, StreamConfig, VenueConfig

STREAM = StreamConfig(venue="v", symbols=("A/B",), channels=("trades",), ack_s=3.0)
CONFIG = Config(
    connection=ConnectionConfig(ack_s=1.0, silence_s=20.0, overlap_s=7.0),
    venue={"v": VenueConfig(ack_s=2.0, silence_s=30.0), "w": VenueConfig(compression=True)},
    stream=(STREAM,),
)


def test_the_nearest_level_wins() -> None:
    assert connection_for(CONFIG, STREAM) == ConnectionConfig(ack_s=3.0, silence_s=30.0, overlap_s=7.0)
    assert connection_for(CONFIG, "v") == ConnectionConfig(ack_s=2.0, silence_s=30.0, overlap_s=7.0)
    assert connection_for(CONFIG, "w") == ConnectionConfig(ack_s=1.0, silence_s=20.0, overlap_s=7.0, compression=True)
    assert connection_for(CONFIG, "other") == CONFIG.connection


def test_a_level_may_switch_off_what_the_one_above_switched_on() -> None:
    config = Config(connection=ConnectionConfig(compression=True, reconnect_attempts=5))
    stream = StreamConfig(venue="v", symbols=("A",), channels=("trades",), compression=False, reconnect_attempts=0)
    assert connection_for(config, stream) == ConnectionConfig(compression=False, reconnect_attempts=0)


def test_where_a_venue_is() -> None:
    place = place_of(CONFIG, "v")
    assert (place.ws_url, place.rest_url, place.connection) == (None, None, connection_for(CONFIG, "v"))
    streams = tuple(
        StreamConfig(venue="v", symbols=("A",), channels=("trades",), rest_url=rest, ws_url=ws)
        for rest, ws in ((None, "ws://s1"), ("http://s2", "ws://s2"))
    )
    by_stream = Config(stream=streams)
    assert place_of(by_stream, "v")[:2] == ("ws://s1", "http://s2")
    assert place_of(by_stream, "w") == Place()
    both = Config(stream=streams, venue={"v": VenueConfig(rest_url="http://v")})
    assert place_of(both, "v")[:2] == ("ws://s1", "http://v")
    assert place_of(both, "v", ws_url="ws://x", rest_url="http://x")[:2] == ("ws://x", "http://x")


def test_where_each_connection_setting_comes_from() -> None:
    origins = {"connection.overlap_s": "environment X", "venue.v.silence_s": "file", "stream[0].ack_s": "file"}
    found = connection_origins(CONFIG, STREAM, origins)
    assert found["overlap_s"] == "[connection]: environment X"
    assert found["silence_s"] == "[venue.v]: file"
    assert found["ack_s"] == "[stream[0]]: file"
    assert found["compression"] == "default"
    assert connection_origins(CONFIG, "v", origins)["silence_s"] == "[venue.v]: file"


def stream(**settings: object) -> Config:
    made = StreamConfig(**({"venue": "v", "symbols": ("A",), "channels": ("trades",)} | settings))  # type: ignore[arg-type]  # the point is to vary them
    return Config(stream=(made,))


@pytest.mark.parametrize(
    "channels",
    [("trades", "book", "book:20@100ms", "bars:1m", "bars:1h@trades", "bars:1M@aggtrades", "funding", "status")],
)
def test_channels_of_the_grammar_pass(channels: tuple[str, ...]) -> None:
    assert list(faults(stream(channels=channels))) == []


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        (
            stream(channels=("trades", "trads")),
            "stream[0].channels[1]: unknown channel 'trads': did you mean 'trades'?",
        ),
        (stream(channels=("bars:7m",)), "stream[0].channels[0]: unknown interval '7m'"),
        (stream(channels=("bars:1m@quotes",)), "stream[0].channels[0]: channel 'bars:1m@quotes': bars are built from"),
        (stream(ws_url="http://x"), "stream[0].ws_url: not an address: expected ws://HOST[:PORT] or wss://HOST[:PORT]"),
        (stream(ws_url="ws://x:port"), "stream[0].ws_url: not an address"),
        (stream(rest_url="localhost:80"), "stream[0].rest_url: not an address: expected http://HOST[:PORT]"),
        (stream(rest_url="http://[::1"), "stream[0].rest_url: not an address"),
        (Config(venue={"v": VenueConfig(ws_url="ws://")}), "venue.v.ws_url: not an address"),
        (
            Config(connection=ConnectionConfig(reconnect_delay_s=61)),
            "connection: reconnect_delay_s (61) is over reconnect_delay_max_s (60)",
        ),
        (
            Config(venue={"v": VenueConfig(reconnect_delay_max_s=0.5)}),
            "venue.v: reconnect_delay_s (1) is over reconnect_delay_max_s (0.5)",
        ),
        (
            stream(heartbeat_interval_s=20.0, silence_s=20.0),
            "stream[0]: heartbeat_interval_s (20) must be under silence_s (20), or a live connection looks dead",
        ),
    ],
)
def test_contradictions(config: Config, fault: str) -> None:
    (found,) = faults(config)
    assert found.startswith(fault)


def test_good_addresses_pass() -> None:
    config = stream(ws_url="ws://127.0.0.1:8080", rest_url="https://example.org")
    assert list(faults(config)) == []


@pytest.mark.parametrize("name", ["apiKey", "secret", "password", "privateKey", "walletAddress", "token", "number"])
def test_keys_are_no_settings_of_a_venue_and_are_not_repeated(name: str) -> None:
    (fault,) = faults(Config(venue={"ccxt-x": VenueConfig(ccxt={name: "a-thing-not-to-be-shown", "uid": "7"})}))
    assert fault == f"venue.ccxt-x.ccxt: {name} is not set here: keys belong to [account.NAME], and numbers are exact"
