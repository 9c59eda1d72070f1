"""The registry: venues of other packages come in by entry point, and what is wrong with one is said."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

import tapeline.venues as registry
from tapeline.errors import ConfigError

OTHER = replace(registry.venue_named("binance"), name="elsewhere")


class Point:
    value = "elsewhere.venue:ELSEWHERE"

    def __init__(self, loads: Any) -> None:
        self._loads = loads

    def load(self) -> Any:
        return self._loads


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    def register(*loads: Any) -> None:
        monkeypatch.setattr(registry, "entry_points", lambda group: [Point(each) for each in loads] if group else [])
        registry.venues.cache_clear()

    yield register
    monkeypatch.undo()
    registry.venues.cache_clear()


def test_a_venue_from_another_package_is_one_of_them(registered: Any) -> None:
    registered(OTHER)
    assert registry.venue_named("elsewhere") is OTHER
    assert list(registry.venues()) == ["binance", "binance-us", "binance-usdm", "okx", "elsewhere"]


def test_what_is_no_venue_is_refused(registered: Any) -> None:
    registered("a string")
    with pytest.raises(ConfigError, match=r"elsewhere\.venue:ELSEWHERE .* is a str, not a Venue"):
        registry.venues()


def test_a_name_that_is_taken_is_refused(registered: Any) -> None:
    registered(replace(OTHER, name="okx"))
    with pytest.raises(ConfigError, match="registers venue 'okx', which exists already"):
        registry.venues()


def test_the_nearest_name_is_named() -> None:
    with pytest.raises(ConfigError, match="did you mean 'okx'"):
        registry.venue_named("okex")
    with pytest.raises(ConfigError, match="one of binance, binance-us"):
        registry.venue_named("zzz")
