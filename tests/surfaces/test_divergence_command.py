"""`tapeline divergence` on journals that are written as runs write them."""

import csv
import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tapeline.model.account import Fill, OrderUpdate
from tapeline.model.order import Intent
from tapeline.store.journal import Journal
from tapeline.store.journal_archiving import archive
from tapeline.surfaces.cli import main
from tapeline.trading.command import Hold, Note
from tapeline.trading.record import Begun, Listed
from trade_fixtures import START_NS, spot

D = Decimal
NAME = "binance:BTC/USDT"
SECOND = 1_000_000_000


def written(folder: Path, name: str, price: str, *, at_ns: int = START_NS, more: Sequence[Any] = ()) -> Path:
    """A run that bought one: as an order that waited with us, so that no approval by risk is needed here."""
    intent = Intent(instrument=NAME, side="buy", kind="market", size=D(1), strategy="s", account="a")
    journal = Journal(folder)
    journal.append([Begun("0.1", "{}", at_ns), Listed(spot(), at_ns)], at_ns)
    journal.append([Hold(name, intent)], at_ns + SECOND)
    told: dict[str, Any] = {
        "at_ns": at_ns,
        "received_ns": at_ns + 2 * SECOND,
        "source": "ws",
        "account": "a",
        "client_id": name,
    }
    fill = Fill(NAME, "fills", **told, venue_id="1", id="1", side="buy", price=D(price), size=D(1), fee=D("0.1"),
                fee_currency="USDT")  # fmt: skip
    update = OrderUpdate(NAME, "orders", **told, venue_id="1", state="filled")
    journal.append([fill, update, *more], at_ns + 2 * SECOND)
    journal.close()
    return folder


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["divergence", *map(str, arguments)])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_a_journal_that_was_archived_is_read_as_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paper = written(tmp_path / "paper", "p", "100")
    live = written(tmp_path / "live", "l", "100.5")
    assert run(paper, live, "--json") == 0
    expected = capsys.readouterr().out
    [moved] = archive(live, START_NS + 2 * SECOND).archives
    assert (moved.first, moved.last) == (1, 3)
    assert run(paper, live, "--json") == 0
    assert capsys.readouterr().out == expected
    (live / moved.file).unlink()
    assert run(paper, live) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), f"are in {moved.file}, which is not there: bring it back" in err) == ("", 1, True)


def test_the_orders_of_both_and_their_sums(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paper = written(tmp_path / "paper", "p", "100")
    live = written(tmp_path / "live", "l", "100.5", more=[Note("denied", "a", "too much")])
    assert run(paper, live / "journal.sqlite", "--csv", tmp_path / "new" / "orders.csv") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[2:] == [
        "from 2024-08-08T00:00:00Z",
        "orders: 1 of both, 0 of the paper run alone, 0 of the live run alone",
        "refused by limits: 0 on paper, 1 live",
        f"{NAME}: filled on both sides 1, only on paper 0, only live 0; live filled 100.0% of what paper did",
        "  live was worse by 0.5 USDT, 50.00 bp of the value",
        "fees: 0.1 USDT on paper, 0.1 USDT live",
    ]
    with (tmp_path / "new" / "orders.csv").open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["paper_price"], row["live_price"], row["worse"], row["cost"]) == ("100", "100.5", "0.5", "0.5")
    assert (row["decided"], row["paper_id"], row["live_id"]) == ("2024-08-08T00:00:01Z", "p", "l")


def test_all_of_it_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(written(tmp_path / "a", "p", "3"), written(tmp_path / "b", "l", "2"), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["parts"][0]["cost"] == "-1"
    assert found["pairs"][0]["live"]["client_id"] == "l"


def test_runs_that_share_nothing_are_told_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paper = written(tmp_path / "paper", "p", "100")
    live = written(tmp_path / "live", "l", "100", at_ns=START_NS + 60 * SECOND)
    assert run(paper, live, "--from", "2024-08-08") == 0
    said = capsys.readouterr().out
    assert "0 of both, 1 of the paper run alone, 1 of the live run alone" in said
    assert "say --within" in said
    assert run(paper, live, "--from", "2024-08-08", "--within", "60", "--to", "2024-08-09") == 0
    assert "1 of both, 0 of the paper run alone" in capsys.readouterr().out


def test_what_is_no_journal_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paper = written(tmp_path / "paper", "p", "100")
    assert run(paper, tmp_path / "none") == 2
    assert "no journal in" in capsys.readouterr().err
    assert not (tmp_path / "none").exists(), "nothing is made by looking"
    assert run(paper, paper, "--within", "-1") == 2
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "journal.sqlite").write_bytes(b"this is no database at all, and long enough to be read as one")
    assert run(paper, tmp_path / "bad") == 1
    assert "cannot be read" in capsys.readouterr().err
