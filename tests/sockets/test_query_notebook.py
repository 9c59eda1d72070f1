"""The notebook runs from its first cell to its last, offline, and says what it promises."""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.sockets
NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebooks" / "query.ipynb"


def code_cells() -> list[str]:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code), "commit it without outputs"
    return ["".join(cell["source"]) for cell in code]


def test_every_cell_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    names: dict[str, Any] = {}
    try:
        for number, cell in enumerate(code_cells()):
            exec(compile(cell, f"{NOTEBOOK.name}[{number}]", "exec"), names)  # noqa: S102  # our own notebook
    finally:
        for each in (names.get("live"), names.get("venue")):
            if isinstance(each, subprocess.Popen) and each.poll() is None:
                each.kill()
                each.communicate()
    said = capsys.readouterr().out
    assert names["equal"] is True
    assert len(names["theirs"]) >= 29
    assert names["same"] is True
    assert names["exact"] > 0
    assert "10 bars, missing: []" in said
    assert len(names["missing"]) == 1
    assert len(names["seen"]) == 6
    assert {trade.source for trade in names["seen"]} <= {"ws", "rest"}
    assert not list(tmp_path.iterdir())
