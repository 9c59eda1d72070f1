"""What every test may ask for."""

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import coverage
import pytest

from market_fixtures import market
from stage_fixtures import patient, staged
from store_fixtures import bar, trade
from tapeline.surfaces.cli import resolved

pytest_plugins = ["secret_watch", "tapeline.testing"]
__all__ = ["bar", "market", "patient", "shared", "staged", "trade"]


@pytest.fixture(scope="session", autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing a test does reaches the user's own state directory; its processes inherit this."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recordings and expected results; a test that needs it skips, with a reason, where it is absent."""
    path = Path(os.environ.get("TAPELINE_SHARED", Path(__file__).parents[2] / "shared"))
    if not (path / "captures").is_dir():
        pytest.skip(f"no recordings at {path}: set TAPELINE_SHARED")
    return path


def pytest_collection_finish() -> None:
    """Commands are imported when they are called; before any test, so that no test file has their imports to itself."""
    if coverage.Coverage.current() is not None:
        resolved()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Under coverage, every test file is a context of its own: `own_coverage.py` asks which file covers what."""
    running = coverage.Coverage.current()
    if running is not None:
        running.switch_context(item.nodeid.partition("::")[0])
    return (yield)
