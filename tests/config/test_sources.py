import tomllib
from pathlib import Path

import pytest

from tapeline.config import Config, StreamConfig, VenueConfig, load, load_for_a_stop, load_with_origins
from tapeline.config.sources import MAX_FILE_BYTES
from tapeline.errors import ConfigError
from tapeline.model.secret import Secret

WHOLE = """
repair = false

[store]
path = "data"

[connection]
ack_s = 5

[venue.a-venue]
silence_s = 45

[[stream]]
venue = "a-venue"
symbols = ["BTC/USDT"]
channels = ["trades", "bars:1m@trades"]
ws_url = "ws://127.0.0.1:9"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tapeline.toml"
    path.write_text(WHOLE)
    return path


def test_a_whole_file(file: Path) -> None:
    config = load(file, {})
    assert config.store.path == "data"
    assert config.connection.ack_s == 5.0
    assert dict(config.venue) == {"a-venue": VenueConfig(silence_s=45.0)}
    assert config.stream == (
        StreamConfig(
            venue="a-venue",
            symbols=("BTC/USDT",),
            channels=("trades", "bars:1m@trades"),
            ws_url="ws://127.0.0.1:9",
        ),
    )
    assert config.repair is False


def test_nothing_at_all_gives_the_defaults() -> None:
    assert load(None, {}) == Config()


def test_the_environment_beats_the_file_and_the_command_line_beats_both(file: Path) -> None:
    environ = {"TAPELINE_STORE__PATH": "from-env", "TAPELINE_CONNECTION__ACK_S": "7"}
    loaded = load_with_origins(file, environ, {"store.path": "from-line", "seed": None})
    assert loaded.config.store.path == "from-line"
    assert loaded.config.connection.ack_s == 7.0
    assert loaded.config.seed is None
    assert loaded.origins["store.path"] == "command line"
    assert loaded.origins["connection.ack_s"] == "environment TAPELINE_CONNECTION__ACK_S"
    assert loaded.origins["venue.a-venue.silence_s"] == "file"
    assert loaded.origins["seed"] == "default"


def fault_of(tmp_path: Path, text: str | bytes) -> str:
    path = tmp_path / "bad.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    return str(caught.value).replace(str(path), "FILE")


def test_a_typo_names_its_path_and_the_nearest_key(tmp_path: Path) -> None:
    text = WHOLE.replace("symbols", "symbls")
    assert fault_of(tmp_path, text) == "FILE: stream[0].symbls: unknown key, did you mean symbols?"


def test_a_key_in_the_wrong_place_names_every_right_one(tmp_path: Path) -> None:
    assert fault_of(tmp_path, "silence_s = 3\n") == (
        "FILE: silence_s: unknown key, did you mean connection.silence_s or sync.silence_s?"
    )
    assert fault_of(tmp_path, "[store]\nrepair = false\n") == (
        "FILE: store.repair: unknown key, repair stands at the top of the file, before the first [table]"
    )


def test_several_faults_come_one_a_line(tmp_path: Path) -> None:
    assert fault_of(tmp_path, "seeed = 1\n[log]\nlevel = 'loud'\n") == (
        "FILE has 2 faults:\n"
        "  seeed: unknown key, did you mean seed?\n"
        "  log.level: 'loud' is none of debug, info, warning, error"
    )


def test_contradictions_are_told(tmp_path: Path) -> None:
    text = "[connection]\nreconnect_delay_s = 90\n"
    assert fault_of(tmp_path, text) == ("FILE: connection: reconnect_delay_s (90) is over reconnect_delay_max_s (60)")


def test_what_is_no_toml(tmp_path: Path) -> None:
    assert fault_of(tmp_path, "[store\n").startswith("FILE is not TOML: ")
    assert fault_of(tmp_path, b"path = '\xff'").startswith("FILE is not UTF-8 text: ")
    assert fault_of(tmp_path, "#" * (MAX_FILE_BYTES + 1)) == "FILE is over 1048576 bytes: that is no configuration"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the configuration .*none.toml: No such file or directory"):
        load(tmp_path / "none.toml", {})


def test_a_fault_of_the_environment_names_the_variable() -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, {"TAPELINE_STORE__PTH": "x"})
    assert str(caught.value) == (
        "configuration: store.pth: unknown key, did you mean path? (environment TAPELINE_STORE__PTH)"
    )


EVERY = """
[store]
path = "p"
batch_size = 1
batch_timeout_s = 1
queue_bytes = 2048
flush = "fast"
tape = true
tape_segment_mb = 1

[bars]
lateness_s = 0
late_limit_s = 1
empty = "carry"

[log]
level = "debug"
format = "json"
file = "f"
max_mb = 1
keep = 1

[connection]
connections = 2
connection_score = false
connection_timeout_s = 1
heartbeat_interval_s = 1
silence_s = 2
ack_s = 1
first_data_s = 1
idle_ping_s = 1
max_connection_age_s = 1
overlap_s = 1
reconnect_attempts = 1
reconnect_delay_s = 1
reconnect_delay_max_s = 1
healthy_after_s = 1
breaker_threshold = 1
breaker_cooldown_s = 1
compression = true
transport = "websockets"
buffer_size = 1024
"""


def test_every_setting_can_be_given_as_text() -> None:
    given = tomllib.loads(EVERY)
    environ = {
        f"TAPELINE_{table}__{key}".upper(): str(value).lower()
        for table, settings in given.items()
        if isinstance(settings, dict)
        for key, value in settings.items()
    }
    config = load(None, {**environ, "TAPELINE_SEED": "1"})
    for table in ("store", "bars", "log", "connection"):
        settings = getattr(config, table)
        assert {name: getattr(settings, name) for name in settings.__struct_fields__} == given[table]


def test_keys_of_an_account_are_no_account_where_nothing_else_names_it(tmp_path: Path) -> None:
    """Whoever has exported the keys of a trading account may call `tapeline status --store`, or use another file."""
    keys = {"TAPELINE_ACCOUNT__MAIN__KEY": "k", "TAPELINE_ACCOUNT__MAIN__SECRET": "s"}
    assert load(None, keys).account == {}
    whole = load(None, {**keys, "TAPELINE_ACCOUNT__MAIN__VENUE": "okx"}).account["main"]
    assert (whole.venue, whole.key is not None) == ("okx", True)
    path = tmp_path / "t.toml"
    path.write_text("[account.other]\nvenue = 'okx'\n")
    assert list(load(path, keys).account) == ["other"]
    assert load(path, {**keys, "TAPELINE_ACCOUNT__OTHER__KEY": "o"}).account["other"].key == Secret("o")
    path.write_text("[account.main]\nkey = 'k'\n")
    with pytest.raises(ConfigError, match=r"account\.main: venue is missing"):
        load(path, keys)


def test_a_stop_leaves_out_what_it_can_do_without(tmp_path: Path) -> None:
    path = tmp_path / "trade.toml"
    path.write_text(
        '[store]\npath = "held"\n[account.main]\nvenue = "okx"\n[flatten]\nband = "x"\n[risk]\nmax_ordr_value = 5\n'
    )
    config, fault = load_for_a_stop(path, {"TAPELINE_ACCOUNT__MAIN__MODE": "live"})
    assert (config.store.path, config.account["main"].mode) == ("held", "live")
    assert fault.splitlines()[-1] == "going on as if there were no [flatten], [risk]"
    path.write_text('[account.main]\nvenue = "okx"\n')
    assert load_for_a_stop(path, {}) == (load(path, {}), "")


def test_a_stop_of_something_else_is_none(tmp_path: Path) -> None:
    path = tmp_path / "trade.toml"
    path.write_text('[store]\npth = "held"\n[account.main]\nvenue = "okx"\n[risk]\nmax_ordr_value = 5\n')
    with pytest.raises(ConfigError, match=r"2 faults"):
        load_for_a_stop(path, {})
