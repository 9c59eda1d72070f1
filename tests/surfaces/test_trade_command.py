"""`tapeline trade`: what it refuses before anything starts, and what it shows of a live run."""

from decimal import Decimal
from pathlib import Path

import pytest

from tapeline.config import AccountConfig, Config, RiskConfig
from tapeline.model.limits import RiskLimits
from tapeline.surfaces.cli import main
from tapeline.surfaces.cli.trade import at_stake

EXAMPLE = f"{Path(__file__).parents[2]}/examples/ma_cross.py:MovingAverageCross"
LIVE = """
[account.main]
venue = "binance"
mode = "live"
[[strategy]]
run = "EXAMPLE"
"""


def ended(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, str]:
    with pytest.raises(SystemExit) as end:
        main(["trade", *arguments])
    assert end.value.code == 2
    out, err = capsys.readouterr()
    return out, err


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("", [], "--paper (simulated fills) or --live (real ones)"),
        ("", ["--paper", "--live"], "--paper (simulated fills) or --live (real ones)"),
        ("", ["--paper", "--set", "fast=1"], "--set belongs to --strategy"),
        ("", ["--paper"], "nothing to run: add a [[strategy]] table"),
        ("", ["--paper", "--strategy", EXAMPLE], "no store: set [store] path"),
        ("", ["--paper", "--strategy", EXAMPLE, "--set", "fast=quick"], "'quick' is not a number"),
        (LIVE, ["--live"], "a live run has to be confirmed: type, or give --confirm main"),
        (LIVE, ["--live", "--confirm", "other"], "a live run has to be confirmed"),
        (LIVE.replace('"live"', '"paper"'), ["--live", "--confirm", "main"], "no live account of binance"),
    ],
)
def test_nothing_starts_that_is_not_meant(
    text: str, options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tapeline.toml"
    path.write_text(text.replace("EXAMPLE", EXAMPLE))
    assert said in ended(capsys, "--config", str(path), *options)[1]


def test_a_live_run_shows_its_accounts_and_every_limit() -> None:
    config = Config(
        account={"main": AccountConfig(venue="okx", mode="live", testnet=True)},
        risk=RiskConfig(max_order_value=Decimal(5), strategy={"s": RiskLimits(max_open_orders=2)}),
    )
    lines = at_stake(config, ["main"])
    assert lines[0] == "account main: real orders at the test network of okx"
    assert "limit, all: max_order_value = 5" in lines
    assert "limit, strategy s: max_open_orders = 2" in lines
