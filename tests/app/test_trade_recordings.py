"""A recording's folder: all that an engine is made of, and the engine made of it again."""

import gzip
import hashlib
import json
import shutil
import sys
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import pytest

from engine_fixtures import BTC
from recording_fixtures import CODE, SETUP, run
from tapeline.app.trade.recorder import HEAD, MEMO, Recorder, digest_of, module_sha256, recording
from tapeline.app.trade.replaying import Outcome, recordings, replay
from tapeline.clock import SystemClock
from tapeline.config import StrategyConfig
from tapeline.errors import ConfigError
from tapeline.model.secret import Secret
from tapeline.trading.command import Submit
from tapeline.trading.memo import decode


@pytest.fixture
def made(tmp_path: Path) -> Path:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "buys.py").write_text(CODE)
    config = StrategyConfig(run="buys.py:Buys", settings=MappingProxyType({"size": "2"}))
    return run(tmp_path / "into", tmp_path / "store", config)


def test_a_run_is_played_again_from_its_folder_alone(made: Path, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "store")
    outcome = replay(made)
    assert isinstance(outcome, Outcome)
    assert (outcome.inputs, outcome.commands, outcome.ended, outcome.difference) == (3, 2, "stopped", None)
    assert outcome.warnings == ()
    assert made.stat().st_mode & 0o777 == 0o700
    head = json.loads((made / HEAD).read_text())
    assert head["strategies"][0]["sha256"] == hashlib.sha256(CODE.encode()).hexdigest()
    assert (made / head["strategies"][0]["kept"]).read_text() == CODE


def test_a_restart_begins_with_the_journal_as_it_was_then(made: Path, tmp_path: Path) -> None:
    config = StrategyConfig(run="buys.py:Buys")
    second = run(tmp_path / "into", tmp_path / "store", config, orderly=False)
    assert recordings(tmp_path / "into") == [made, second]
    memo = decode(gzip.decompress((second / MEMO).read_bytes()))
    assert (memo.records, list(memo.instruments)) == (2, [BTC.id])
    outcome = replay(second)
    assert (outcome.inputs, outcome.commands, outcome.difference) == (2, 0, None), "it has its order already"
    assert outcome.ended == "without an orderly stop"


def test_other_code_is_compared_with_what_was_recorded(made: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "buys.py").write_text(CODE.replace("price=trade.price", "price=trade.price - 1"))
    difference = replay(made, code=other).difference
    assert difference is not None
    assert difference.number == 2
    assert '"price":"99"' in difference.replayed
    with pytest.raises(ConfigError, match=r"there is no file buys\.py"):
        replay(made, code=tmp_path)


def test_a_module_is_imported_as_it_is_now_and_a_change_of_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "buys_of_a_module", raising=False)
    (tmp_path / "buys_of_a_module.py").write_text(CODE)
    made = run(tmp_path / "into", tmp_path / "store", StrategyConfig(run="buys_of_a_module:Buys"))
    assert replay(made).warnings == ()
    (tmp_path / "buys_of_a_module.py").write_text(CODE + "\n# changed\n")
    assert replay(made).warnings == ("the code of buys_of_a_module:Buys is not what it was when the run was recorded",)
    head = json.loads((made / HEAD).read_text())
    (made / HEAD).write_text(json.dumps(head | {"version": "0.0.1"}))
    assert replay(made).warnings[0].startswith("recorded by Tapeline 0.0.1, and this is ")


def test_what_cannot_be_played_is_said(made: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no recording"):
        recordings(tmp_path / "store")
    head = json.loads((made / HEAD).read_text())
    for broken, said in (
        (json.dumps(head | {"format": 2}), "of format 2, and this Tapeline reads 1"),
        (json.dumps({"format": 1}), "cannot be read"),
        ("{", "cannot be read"),
    ):
        (made / HEAD).write_text(broken)
        with pytest.raises(ConfigError, match=said):
            replay(made)
    (made / HEAD).write_text(json.dumps(head))
    (made / HEAD).write_text(json.dumps(head | {"layout": "1-of-another"}))
    with pytest.raises(ConfigError, match="replay it with that version"):
        replay(made)
    for data, digest, said in (
        (b"no gzip", head["memo"], "is damaged"),
        (b"no gzip", digest_of(b"no gzip"), "cannot be read: Not a gzipped file"),
        (gzip.compress(b"x"), digest_of(gzip.compress(b"x")), "cannot be read: no memo of a journal"),
    ):
        (made / HEAD).write_text(json.dumps(head | {"memo": digest}))
        (made / MEMO).write_bytes(data)
        with pytest.raises(ConfigError, match=said):
            replay(made)
    (made / MEMO).unlink()
    with pytest.raises(ConfigError, match="No such file"):
        replay(made)


def test_what_cannot_be_recorded_is_said_before_anything_is_traded(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="no recording can be made"), recording(tmp_path / "file", SystemClock()):
        pass
    recorder = Recorder(tmp_path, SystemClock())
    facts: dict[str, Any] = {"mode": "paper", "instance": "i", "restored_ns": 1, "accounting": "average"}
    secret = StrategyConfig(run="json:JSONDecoder", settings={"token": Secret("t" * 20)})
    with pytest.raises(ConfigError, match="Secret is no JSON"):
        recorder.describe(SETUP, [secret], None, **facts)
    with pytest.raises(ConfigError, match=r"there is no file none\.py"):
        recorder.describe(SETUP, [StrategyConfig(run="none.py:X")], None, **facts)
    assert not (tmp_path / HEAD).exists()
    assert module_sha256("no_such_module:X") == ""
    assert module_sha256("sys:X") == "", "it has no file"
    recorder.close()


def test_a_submit_is_recorded_as_the_bytes_that_the_digest_is_made_of(made: Path) -> None:
    lines = gzip.decompress((made / "inputs-000001.jsonl.gz").read_bytes()).splitlines()
    commands = json.loads(lines[1])["commands"]
    assert [each["type"] for each in commands] == ["submit"]
    assert commands[0]["order"]["intent"]["size"] == "2"
    assert Submit.__struct_config__.tag == "submit"
    assert msgspec.json.decode(lines[-1])["why"] == "stopped"
