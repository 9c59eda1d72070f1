"""What every test may ask for."""

import os
from pathlib import Path

import pytest

from market_fixtures import market
from stage_fixtures import patient, staged
from store_fixtures import bar, trade

pytest_plugins = ["tapeline.testing"]
__all__ = ["bar", "market", "patient", "shared", "staged", "trade"]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recordings and expected results; a test that needs it skips, with a reason, where it is absent."""
    path = Path(os.environ.get("TAPELINE_SHARED", Path(__file__).parents[2] / "shared"))
    if not (path / "captures").is_dir():
        pytest.skip(f"no recordings at {path}: set TAPELINE_SHARED")
    return path
