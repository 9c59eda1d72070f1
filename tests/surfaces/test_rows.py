import json

import pytest

from tapeline.surfaces.rows import TABLE_ROWS, write_rows

COLUMNS = ("start_ms", "close", "certificate")
ROWS: list[list[str | int | None]] = [[1, "1.5", "complete"], [2, None, "partial"]]


def test_csv_leaves_absent_cells_empty(capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(COLUMNS, ROWS, "csv")
    assert capsys.readouterr().out == "start_ms,close,certificate\n1,1.5,complete\n2,,partial\n"


def test_csv_of_nothing_is_its_header(capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(COLUMNS, [], "csv")
    assert capsys.readouterr().out == "start_ms,close,certificate\n"


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(COLUMNS, ROWS, "json")
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"start_ms": 1, "close": "1.5", "certificate": "complete"},
        {"start_ms": 2, "close": None, "certificate": "partial"},
    ]


def test_a_table_is_for_eyes_and_says_what_it_leaves_out(capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(COLUMNS, [[i, "1", "complete"] for i in range(TABLE_ROWS + 7)], "table")
    said = capsys.readouterr()
    lines = [line.split() for line in said.out.splitlines()]
    assert lines[0] == ["start_ms", "close", "certificate"]
    assert lines[1] == ["0", "1", "complete"]
    assert len(lines) == TABLE_ROWS + 1
    assert said.err == "7 more rows: narrow --from and --to, or use --format csv\n"
