from dataclasses import replace
from itertools import islice

import pytest

from tapeline.app.settings import delays, patience, reaches, rebased, timing
from tapeline.config import Config, ConnectionConfig, VenueConfig
from tapeline.errors import ConfigError
from tapeline.venues.spec import Heartbeat, Limits, Venue


def venue(life_s: float = float("inf")) -> Venue:
    return Venue(
        name="test", urls={"rest": "https://example.org"}, feeds={},
        heartbeat=Heartbeat(every_s=20, silence_s=60),
        limits=Limits(
            topics_per_connection=10, topics_per_request=5, messages_per_s=5, connections_per_window=10, window_s=60,
            connection_life_s=life_s, first_data_s=15,
        ),
        decoder=lambda _name, _instruments: lambda _frame, _at: (), requests=lambda _subscribe: (), rest={},
    )  # fmt: skip


def test_the_venues_own_figures_hold_where_none_is_set() -> None:
    found = timing(ConnectionConfig(), venue(), lambda: 0.5)
    assert (found.silence_s, found.heartbeat_s, found.first_data_s) == (60, 20, 15)
    assert found.max_age_s == float("inf")


def test_what_is_set_wins() -> None:
    found = timing(ConnectionConfig(silence_s=7.0, heartbeat_interval_s=3.0, first_data_s=2.0), venue(), lambda: 0.5)
    assert (found.silence_s, found.heartbeat_s, found.first_data_s) == (7, 3, 2)


def age(chance: float) -> float:
    return timing(ConnectionConfig(), venue(86_400.0), lambda: chance).max_age_s


def test_re_dials_are_spread_before_the_venues_age_limit() -> None:
    assert [age(chance) for chance in (0.0, 0.5, 1.0)] == [86_340.0, 85_440.0, 84_540.0]


def test_the_users_age_limit_is_kept_where_it_is_shorter() -> None:
    assert timing(ConnectionConfig(max_connection_age_s=600.0), venue(86_400.0), lambda: 0.0).max_age_s == 600


def test_patience_comes_from_the_settings() -> None:
    found = patience(ConnectionConfig(reconnect_attempts=4, healthy_after_s=9.0, overlap_s=11.0))
    assert (found.attempts, found.healthy_after_s, found.overlap_s) == (4, 9, 11)


def test_delays_start_afresh_each_time() -> None:
    make = delays(ConnectionConfig(reconnect_delay_s=1.0, reconnect_delay_max_s=4.0), lambda: 1.0)
    assert list(islice(make(), 5)) == [0.0, 1.0, 2.0, 4.0, 4.0]
    assert next(make()) == 0.0


def test_another_address_keeps_the_path() -> None:
    url = "wss://fstream.binance.com/public/stream?x=1"
    assert rebased(url, "ws://127.0.0.1:8080") == "ws://127.0.0.1:8080/public/stream?x=1"
    assert rebased(url, None) == url


@pytest.mark.parametrize("onto", ["127.0.0.1:8080", "http://127.0.0.1:8080", "ws://:8080", "ws://h:x"])
def test_what_is_no_address_is_said_before_anything_is_dialled(onto: str) -> None:
    with pytest.raises(ConfigError) as refused:
        rebased("wss://fstream.binance.com/stream", onto)
    assert str(refused.value) == f"{onto}: not an address: expected ws://HOST[:PORT] or wss://HOST[:PORT]"


def test_rest_has_an_address_of_its_own_kind() -> None:
    assert rebased("https://api.binance.com", "http://127.0.0.1:8080") == "http://127.0.0.1:8080"
    with pytest.raises(ConfigError, match=r"^localhost:9: not an address: expected http://HOST"):
        rebased("https://api.binance.com", "localhost:9")


def test_a_variant_of_a_venue_is_a_value() -> None:
    assert replace(venue(), name="other").name == "other"


def test_an_exchange_behind_ccxt_is_reached_by_what_is_set_of_its_venue() -> None:
    assert rebased("ccxt://fakex/spot", "http://127.0.0.1:1") == "ccxt://fakex/spot"
    venue = VenueConfig(rest_url="http://127.0.0.1:1", ws_url="ws://127.0.0.1:2", ccxt={"options": {"a": 1}})
    (reach,) = reaches(Config(venue={"ccxt-fakex": venue})).values()
    assert (reach.rest_url, reach.ws_url) == ("http://127.0.0.1:1", "ws://127.0.0.1:2")
    assert reach.settings == {"options": {"a": 1}}
