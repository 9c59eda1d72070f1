from pathlib import Path

import pytest

from tapeline.errors import ConfigError
from tapeline.surfaces.options import configured, instant_or_none, named, store_of


def test_the_store_of_the_command_line_goes_before_that_of_the_configuration(tmp_path: Path) -> None:
    config = tmp_path / "tapeline.toml"
    config.write_text(f'[store]\npath = "{tmp_path}/held"\n')
    assert store_of(configured(config, None)) == tmp_path / "held"
    assert store_of(configured(config, tmp_path / "other")) == tmp_path / "other"
    assert store_of(configured(None, tmp_path)) == tmp_path


def test_the_environment_names_a_store_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAPELINE_STORE__PATH", str(tmp_path))
    assert store_of(configured(None, None)) == tmp_path


def test_without_a_store_it_is_said_how_to_name_one() -> None:
    with pytest.raises(ConfigError, match=r"which store\? Give --store PATH, .* or TAPELINE_STORE__PATH"):
        store_of(configured(None, None))


def test_times_may_be_left_out() -> None:
    assert instant_or_none(None) is None
    assert instant_or_none("2024-01-01") == 1_704_067_200_000_000_000
    with pytest.raises(ConfigError, match="is not a time"):
        instant_or_none("yesterday")


def test_instruments_have_a_venue_and_a_symbol() -> None:
    assert named(["binance:BTC/USDT", "okx:BTC/USDT"]) == ("binance:BTC/USDT", "okx:BTC/USDT")
    assert named(()) == ()
    for wrong in ("BTCUSDT", "binance:", ":BTC/USDT"):
        with pytest.raises(ConfigError, match=f"{wrong}: write each as VENUE:SYMBOL"):
            named(["okx:BTC/USDT", wrong])
