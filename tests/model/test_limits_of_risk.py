from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tapeline.model.limits import TIGHTER, RiskLimits, looser, tightest

D = Decimal


@pytest.mark.parametrize(
    ("name", "tight", "loose"),
    [
        ("max_position", D(1), D(2)), ("max_position", D(1), None), ("max_open_orders", 3, 4),
        ("wait_after_repair_s", 5.0, 1.0), ("duplicate_s", 1.0, None), ("refuse_self_trade", True, False),
        ("require_synchronised", False, None),
    ],
)  # fmt: skip
def test_which_of_two_is_looser(name: str, tight: Any, loose: Any) -> None:
    assert looser(name, tight, loose)
    assert not looser(name, loose, tight)
    assert not looser(name, tight, tight)
    assert tightest(name, tight, loose) == tightest(name, loose, tight) == tight


def test_every_limit_has_a_meaning_a_unit_and_a_direction() -> None:
    for field in msgspec.structs.fields(RiskLimits):
        meta = field.type.__metadata__[0]
        assert meta.description.endswith("."), field.name
        assert TIGHTER[field.name] in {"less", "more"}
        assert field.default is None
