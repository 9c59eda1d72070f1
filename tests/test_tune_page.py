"""The page on tuning: its configuration is sound, and what it quotes stands in the page on performance."""

import re
from pathlib import Path

from tapeline.config import load

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "how-to" / "tune.md").read_text(encoding="utf-8")


def test_its_configuration_is_sound(tmp_path: Path) -> None:
    (toml,) = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
    file = tmp_path / "tapeline.toml"
    file.write_text(toml)
    config = load(file, {})
    assert (config.store.flush, config.store.batch_size, config.store.batch_timeout_s) == ("fast", 500, 0.25)
    assert (config.store.queue_bytes, config.audit.calls_per_hour) == (64 * 2**20, 12)
    assert [str(name) for name in config.stream[0].channels] == ["aggtrades", "bars:1m", "bars:1m@aggtrades"]


def test_its_figures_are_those_of_the_page_on_performance() -> None:
    measured = (DOCS / "performance.md").read_text(encoding="utf-8")
    there = set(re.findall(r"\d[\d,.]*", measured))
    told = re.findall(r"(\d[\d,.]*) (?:us|ms|MB)\b", PAGE)
    assert len(told) > 10
    assert set(told) <= there
