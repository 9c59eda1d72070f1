"""What every test may ask for."""

import logging
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import coverage
import pytest
import structlog
from hypothesis import settings

from market_fixtures import market, rising
from relisting_fixtures import lists
from stage_fixtures import patient, staged
from store_fixtures import bar, trade
from tapeline.surfaces.cli import resolved

pytest_plugins = ["secret_watch", "tapeline.testing"]
# CI draws the same examples every time: what it holds up is the change, not chance. Elsewhere they are new each time.
settings.register_profile("same", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("same")
__all__ = ["bar", "lists", "market", "patient", "rising", "shared", "staged", "trade"]


@pytest.fixture(scope="session", autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing a test does reaches the user's own state directory; its processes inherit this."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """The log that a command opened in a test ends with it; the stream it went to does."""
    yield
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if isinstance(handler.formatter, structlog.stdlib.ProcessorFormatter):
            root.removeHandler(handler)
            handler.close()
    if structlog.is_configured():
        structlog.reset_defaults()


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
