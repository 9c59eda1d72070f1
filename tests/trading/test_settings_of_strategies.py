"""Words and numbers of a strategy: what can be written into the journal and read again, and nothing else."""

from decimal import Decimal
from typing import Any

import pytest

from engine_fixtures import BTC
from tapeline.errors import ConfigError
from tapeline.model.order import Intent
from tapeline.trading.settings import as_declared, as_text, exact, settings_of, worded
from tapeline.trading.strategy import Strategy

D = Decimal
INTENT = Intent(instrument=BTC.id, side="buy", kind="limit", account="main", size=D(1), price=D(2), note="why")


class Tuned(Strategy):
    """With settings."""

    fast = 5
    spend = D(10)
    _hidden = 1


def test_settings_are_the_public_attributes() -> None:
    found = settings_of(Tuned)
    assert (found["fast"], found["spend"]) == (5, D(10))
    assert "_hidden" not in found
    assert "on_trade" not in found


def test_exact_numbers() -> None:
    assert [exact(value) for value in (None, D("0.1"), "0.1", 3)] == [None, D("0.1"), D("0.1"), D(3)]
    for wrong in (0.1, True, [1]):
        with pytest.raises(TypeError, match="sizes and prices are exact"):
            exact(wrong)  # type: ignore[arg-type]  # the point
    with pytest.raises(ValueError, match="'much' is not a number"):
        exact("much")


def test_a_setting_is_as_its_default_is() -> None:
    assert as_declared(D(1), 0.25, "x") == D("0.25")
    assert as_declared((), [1, 2], "x") == (1, 2)
    assert as_declared(None, "any", "x") == "any"
    for default, value, why in (
        (D(1), "much", "x: 'much' is not a number"),
        (5, "five", "x: 'five' is not a whole number"),
        ("a", 7, "x: 7 is not text"),
    ):
        with pytest.raises(ConfigError, match=why):
            as_declared(default, value, "x")


def test_an_order_that_can_be_written_is_left_as_it_is() -> None:
    assert worded(INTENT) is INTENT


@pytest.mark.parametrize("change", [{"side": 5}, {"position": ["long"]}, {"post_only": "yes"}, {"reduce_only": 1}])
def test_words_are_text_and_flags_true_or_false(change: dict[str, Any]) -> None:
    intent = Intent(**{"instrument": BTC.id, "side": "buy", "kind": "limit", "account": "main", **change})
    with pytest.raises(TypeError, match=f"^{next(iter(change))} .*: this is"):
        worded(intent)


@pytest.mark.parametrize(
    ("said", "written"), [(5, "5"), (None, ""), ("gr\u00fcn", "gr\u00fcn"), ("half \ud800", "half \\ud800")]
)
def test_a_note_is_written_as_text(said: Any, written: str) -> None:
    assert as_text(said) == written
    noted = worded(Intent(instrument=BTC.id, side="buy", kind="limit", account="main", note=said))
    assert noted.note == written
