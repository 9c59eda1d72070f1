import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tapeline.app.history.backfill import Plan
from tapeline.config import Config, StoreConfig, VenueConfig
from tapeline.surfaces.cli import main

BTC = "binance:BTC/USDT"


def ended(*arguments: str, code: int) -> None:
    with pytest.raises(SystemExit) as end:
        main(["backfill", *arguments])
    assert (end.value.code or 0) == code


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, Plan]]:
    """What the command asks for; nothing is fetched."""
    asked: list[tuple[Path, Plan]] = []

    async def fill(folder: Path, plan: Plan, *, stop: asyncio.Event, watch: Any) -> Any:
        del watch
        asked.append((folder, plan))
        if plan.aggtrades_only:  # type: ignore[attr-defined]  # see below
            stop.set()
        return SimpleNamespace(series=[], incomplete=len(plan.channels) > 1)

    monkeypatch.setattr(Plan, "aggtrades_only", property(lambda plan: plan.channels == ("aggtrades",)), raising=False)
    monkeypatch.setattr("tapeline.surfaces.cli.backfill.fill", fill)
    return asked


def test_options_become_a_plan(filled: list[tuple[Path, Plan]], tmp_path: Path) -> None:
    more = ["--to", "2024-02-01", "--rest-url", "http://here"]
    ended(BTC, "--bars", "1m", "--from", "2024-01-01", "--store", str(tmp_path), "--trades", *more, code=0)
    assert filled == [
        (
            tmp_path,
            Plan(
                instruments=(BTC,), channels=("bars:1m",), trades=True, from_ns=1_704_067_200_000_000_000,
                to_ns=1_706_745_600_000_000_000, rest_url="http://here",
                config=Config(store=StoreConfig(path=str(tmp_path))),
            ),
        )
    ]  # fmt: skip


def test_a_configuration_says_where_the_store_and_the_venue_are(
    filled: list[tuple[Path, Plan]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tapeline.toml"
    path.write_text(f'[store]\npath = "{tmp_path}/held"\n[venue.binance]\nrest_url = "http://there"\n')
    asked = (BTC, "--bars", "1m", "--from", "2024-01-01")
    ended(*asked, "--config", str(path), code=0)
    ended(*asked, "--config", str(path), "--store", str(tmp_path / "other"), code=0)
    assert [folder for folder, _ in filled] == [tmp_path / "held", tmp_path / "other"]
    assert filled[0][1].config.venue == {"binance": VenueConfig(rest_url="http://there")}
    ended(*asked, code=2)
    assert "which store?" in capsys.readouterr().err


def test_what_is_not_complete_and_what_was_stopped(
    filled: list[tuple[Path, Plan]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = (BTC, "okx:BTC/USDT", "--from", "2024-01-01", "--store", str(tmp_path))
    ended(*common, "--bars", "1m", "--bars", "1h", code=1)
    assert filled[0][1].instruments == (BTC, "okx:BTC/USDT")
    assert "stopped" not in capsys.readouterr().err
    ended(*common, "--aggtrades", code=0)
    assert capsys.readouterr().err == "stopped: call it again to go on\n"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([BTC], "say what to fetch"),
        (["BTCUSDT", "--trades"], "VENUE:SYMBOL"),
        ([BTC, "--bars", "7m"], "7m"),
        ([BTC, "okx:BTC/USDT", "--trades", "--rest-url", "http://here"], "one venue's address"),
    ],
)
def test_bad_usage(arguments: list[str], text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ended(*arguments, "--from", "2024-01-01", "--store", str(tmp_path), code=2)
    assert text in capsys.readouterr().err
