import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tapeline.app.audit.verifying import Checked, Verification, Wish
from tapeline.model.event import Bar
from tapeline.surfaces.cli import main, verify
from tapeline.sync.audit import Mismatch, Unchecked, compare_bars

BTC = "binance:BTC/USDT"
OPEN_NS = 1_723_161_240_000_000_000


def bar(close: str, **changes: Any) -> Bar:
    one = Decimal(1)
    return Bar(
        BTC, "bars:1m", None, 7, changes.get("source", "ws"), "1m", OPEN_NS, one, Decimal(9), one, Decimal(close), one,
        None, None, None, None, None, closed=True, revision=1,
    )  # fmt: skip


def mismatch() -> Mismatch:
    found = compare_bars(bar("2"), bar("3", source="rest"))
    assert isinstance(found, Mismatch)
    return found


def series(**changes: Any) -> Checked:
    given: dict[str, Any] = {"instrument": BTC, "channel": "bars:1m", "equal": 3} | changes
    return Checked(**given)


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[Checked]:
    """What the verification comes to, instead of asking anybody."""
    every: list[Checked] = []

    async def run(self: Verification) -> None:
        self.series = every

    monkeypatch.setattr(Verification, "run", run)
    return every


def called(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["verify", *words])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_the_exit_code_says_the_worst(found: list[Checked], tmp_path: Path) -> None:
    for every, code in (
        ([series()], 0),
        ([series(), series(equal=0)], 5),
        ([series(), series(trouble="no answer")], 5),
        ([series(trouble="no answer"), series(mismatches=[mismatch()])], 4),
    ):
        found[:] = every
        assert called("--store", str(tmp_path)) == code


def test_both_readings_are_printed(
    found: list[Checked], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    found.append(series(mismatches=[mismatch()] * 22))
    assert called(BTC, "--store", str(tmp_path)) == 4
    out = capsys.readouterr().out.splitlines()
    assert out[1].split() == [BTC, "bars:1m", "mismatch", "3", "22", "0"]
    assert out[2] == f"{BTC} bars:1m 2024-08-08T23:54:00Z: close ours 2, theirs 3"
    assert out[-1] == f"{BTC} bars:1m: 2 more, with --json"


def test_as_json(found: list[Checked], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_yet = Unchecked(BTC, "bars:1m", 5, 9, "the venue's bar is open yet")
    found.append(series(mismatches=[mismatch()], unchecked=[open_yet], known=2))
    assert called("--store", str(tmp_path), "--json", "--from", "2024-08-08", "--to", "2024-08-09") == 4
    (row,) = json.loads(capsys.readouterr().out)
    (told,), (left_out,) = row.pop("mismatches"), row.pop("unchecked")
    assert row == {
        "instrument": BTC, "channel": "bars:1m", "state": "mismatch", "equal": 3, "known_differences": 2, "trouble": "",
    }  # fmt: skip
    assert told["differences"] == [{"field": "close", "ours": "2", "theirs": "3", "known": ""}]
    assert (told["ours"]["close"], told["theirs"]["close"], told["theirs"]["source"]) == ("2", "3", "rest")
    assert left_out == {"from_ns": 5, "to_ns": 9, "why": "the venue's bar is open yet"}


def test_what_is_written_wrongly_is_bad_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert called("BTCUSDT", "--store", str(tmp_path)) == 2
    assert "write each as VENUE:SYMBOL" in capsys.readouterr().err
    assert called(BTC, "--store", str(tmp_path), "--channel", "barz") == 2
    assert called(BTC, "--store", str(tmp_path)) == 2, "there is no store"


def test_an_instance_that_writes_the_store_is_said(
    found: list[Checked], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found.append(series())
    monkeypatch.setattr(Verification, "note", lambda _self: "an instance writes this store")
    assert called("--store", str(tmp_path)) == 0
    assert "an instance writes this store: nothing was noted in its ledger" in capsys.readouterr().err


def test_a_signal_ends_it_and_what_is_left_is_unchecked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(self: Verification) -> None:
        self.series = [series(equal=1)]
        await asyncio.Event().wait()

    monkeypatch.setattr(Verification, "run", run)

    async def stopped() -> Verification:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_soon(stop.set)
        return await verify._verified(tmp_path, Wish(), stop)

    done = asyncio.run(stopped())
    assert [(each.state, each.trouble) for each in done.series] == [("unchecked", "stopped before the end")]
