from decimal import Decimal

import pytest

from tapeline.errors import ConfigError
from tapeline.trading.settings import as_declared, exact, settings_of


class One:
    fast = 1
    _hidden = 2

    def method(self) -> None: ...


class Two(One):
    fast = 3
    names = ("a",)


def test_settings_are_public_attributes_the_nearest_class_first() -> None:
    assert settings_of(Two) == {"fast": 3, "names": ("a",)}


def test_numbers_are_read_as_they_were_written() -> None:
    assert [exact(each) for each in (None, 1, "0.10", Decimal(2))] == [None, Decimal(1), Decimal("0.10"), Decimal(2)]
    assert as_declared(Decimal(1), 0.1, "x") == Decimal("0.1")
    assert as_declared(("a",), ["b"], "x") == ("b",)
    assert as_declared(None, 5, "x") == 5
    assert as_declared("a", "b", "x") == "b"
    for default, value in ((Decimal(1), "much"), (1, "1"), ("a", 1)):
        with pytest.raises(ConfigError, match="x: "):
            as_declared(default, value, "x")
