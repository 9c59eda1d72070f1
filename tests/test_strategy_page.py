"""The tutorial's own code, run: what it says works, works."""

import json
import re
from pathlib import Path

import pytest

from tapeline.config import load
from tapeline.surfaces.cli import main
from trade_fixtures import stored

PAGE = Path(__file__).parents[1] / "docs" / "tutorial" / "first-strategy.md"


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.fixture
def code(tmp_path: Path) -> Path:
    path = tmp_path / "momentum.py"
    path.write_text("\n\n".join(blocks("python")))
    return path


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("Momentum", ["--channel", "trades", "--channel", "bars:1m@trades", "--set", "look_back=5"]),
        ("buy_dips", ["--channel", "trades"]),
    ],
)
def test_its_strategies_trade(
    name: str, options: list[str], code: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = stored(tmp_path / "store", 3600)
    with pytest.raises(SystemExit) as end:
        main([
            "backtest", f"{code}:{name}", "--store", str(store), "--instrument", "binance:BTC/USDT", *options, "--json"
        ])  # fmt: skip
    assert not end.value.code
    assert json.loads(capsys.readouterr().out)["statistics"]["fills"] > 0


def test_its_configuration_is_one(tmp_path: Path) -> None:
    (text,) = blocks("toml")
    path = tmp_path / "tapeline.toml"
    path.write_text(text)
    assert load(path, {}).strategy[0].settings == {"look_back": 20}
