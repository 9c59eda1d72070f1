from pathlib import Path

import pytest

from tapeline.app.sharing import host_budgets
from tapeline.clock import SystemClock
from tapeline.venues.spec import Allowance


def test_one_budget_for_each_venue_and_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    budgets = host_budgets(SystemClock())
    here = budgets("v", "https://a")
    assert budgets("v", "https://a/other/path") is here
    assert budgets("v", "https://b") is not here
    assert not (tmp_path / "tapeline").exists()  # nothing is made before the first request
    assert here.take(Allowance(weight=1, window_s=60), 1, 1) == (0.0, 0.0)
    assert [each.name for each in (tmp_path / "tapeline" / "budget").iterdir()] == ["v-a.json"]
