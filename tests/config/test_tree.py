from pathlib import Path

import msgspec
import pytest

from tapeline.config.tree import (
    BarsConfig,
    Config,
    ConnectionConfig,
    ConnectionOverrides,
    LogConfig,
    StoreConfig,
    StreamConfig,
    VenueConfig,
)


def test_overrides_and_settings_of_a_connection_have_the_same_names() -> None:
    assert ConnectionOverrides.__struct_fields__ == ConnectionConfig.__struct_fields__


def test_a_venue_and_a_stream_may_override_every_connection_setting() -> None:
    names = set(ConnectionConfig.__struct_fields__)
    modes = {"mode", "realtime_source", "enable_websocket", "fallback_to_polling"}
    assert set(VenueConfig.__struct_fields__) == names | modes | {"rest_url", "ws_url", "max_topics", "ccxt"}
    assert set(StreamConfig.__struct_fields__) == names | modes | {
        "venue", "symbols", "channels", "rest_url", "ws_url", "websocket_priority"
    }  # fmt: skip


def test_overrides_override_nothing_unless_told() -> None:
    assert set(msgspec.structs.asdict(ConnectionOverrides()).values()) == {None}


def test_defaults() -> None:
    config = Config()
    assert config.store == StoreConfig(
        path=None, batch_size=500, batch_timeout_s=0.25, queue_bytes=67_108_864, tape=None, tape_segment_mb=64.0
    )
    assert config.connection.reconnect_attempts == 0
    assert config.connection.reconnect_delay_s == 1.0
    assert config.connection.reconnect_delay_max_s == 60.0
    assert config.connection.transport == "picows"
    assert config.connection.buffer_size == 16_777_216
    assert config.bars == BarsConfig(lateness_s=1.0, late_limit_s=86_400.0, empty="skip")
    assert config.log == LogConfig(level="info", format="console", file=None, max_mb=20.0, keep=5)
    assert (config.repair, config.seed, config.stream, dict(config.venue)) == (True, None, (), {})


@pytest.mark.parametrize("kind", [Config, StoreConfig, ConnectionConfig, ConnectionOverrides, BarsConfig, LogConfig])
def test_nothing_can_be_changed(kind: type[msgspec.Struct]) -> None:
    tree = kind()
    with pytest.raises(AttributeError):
        setattr(tree, kind.__struct_fields__[0], None)


def test_home_is_found_in_the_path_of_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert StoreConfig(path="~/tape").folder == Path("/home/me/tape")
    assert StoreConfig(path="tape").folder == Path("tape")
    assert StoreConfig().folder is None
