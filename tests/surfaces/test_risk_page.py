from tapeline.model.limits import RiskLimits
from tapeline.surfaces.reference.risk import GROUPS, REFUSALS, risk
from tapeline.trading.halt import STATES
from tapeline.watch.monitor import REMEDY


def test_every_limit_stands_in_one_group() -> None:
    named = [name for _, _, names in GROUPS for name in names.split()]
    assert sorted(named) == sorted(RiskLimits.__struct_fields__)


def test_rows() -> None:
    lines = risk().splitlines()
    assert "| `max_open_orders` | Most orders that are not final. | orders | 200 | less |" in lines
    assert (
        "| `duplicate_s` | Refuse an order that is equal in strategy, instrument, side, kind, size and price to one "
        in next(line for line in lines if line.startswith("| `duplicate_s`"))
    )
    assert any(line.startswith("| `price_band`") and line.endswith("| 0.05 | less |") for line in lines)
    assert any(line.startswith("| `require_synchronised`") and line.endswith("| true | more |") for line in lines)
    for name in (*STATES, *REMEDY, *REFUSALS):
        assert any(line.startswith(f"| `{name}` |") for line in lines)
