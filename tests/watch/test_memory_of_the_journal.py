"""What the minimal path takes from the journal, and what it writes there."""

import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from hand_stage import PERP, SPOT

from tapeline.errors import TapelineError
from tapeline.model.account import Fill
from tapeline.model.instrument import Instrument
from tapeline.model.order import Intent
from tapeline.store.journal import FILE, Journal
from tapeline.store.journal_archiving import archive
from tapeline.store.snapshot import snapshots
from tapeline.trading.command import Note, Submit
from tapeline.trading.record import Listed
from tapeline.trading.risk.check import Approved, Market, RiskState, check
from tapeline.watch.memory import notes_into, ours_of, owner_of

D = Decimal
AT_NS = 1_760_000_000_000_000_000


def filled(journal: Journal, of: Instrument, size: str, client_id: str, *, strategy: str = "grid") -> None:
    """A buy of a strategy, from approval to fill; without a strategy a fill of other origin."""
    intent = Intent(instrument=of.id, side="buy", kind="market", size=D(size), account="main", strategy=strategy)
    order = check(intent, RiskState(instrument=of, market=Market(price=D(100))), [], client_id=client_id)
    assert isinstance(order, Approved)
    fill = Fill(
        of.id, "fills", AT_NS, AT_NS, "ws", "main", id=client_id, client_id=client_id, venue_id=client_id, side="buy",
        price=D(100), size=D(size), fee=D(0), fee_currency="USDT",
    )  # fmt: skip
    journal.append([Listed(of, AT_NS), *([Submit(order)] if strategy else []), fill], AT_NS)


def test_what_strategies_hold_on_spot_is_ours(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    filled(journal, SPOT, "0.3", "a")
    filled(journal, SPOT, "0.2", "b", strategy="cross")
    filled(journal, SPOT, "5", "c", strategy="")  # of other origin
    filled(journal, PERP, "7", "d")  # the venue itself knows positions
    journal.close()
    assert ours_of(tmp_path, "main", AT_NS) == {SPOT.id: D("0.5")}
    assert ours_of(tmp_path, "second", AT_NS) == {}


def test_what_is_ours_is_known_while_another_writes_and_where_the_journal_was_archived(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    filled(journal, SPOT, "0.3", "a")
    filled(journal, SPOT, "0.2", "b", strategy="cross")
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # as an archiving has it while it deletes
        assert ours_of(tmp_path, "main", AT_NS) == {SPOT.id: D("0.5")}
        other.execute("ROLLBACK")
    [moved] = archive(tmp_path, AT_NS + 1).archives
    assert ours_of(tmp_path, "main", AT_NS) == {SPOT.id: D("0.5")}
    for path in snapshots(tmp_path):
        path.unlink()
    assert ours_of(tmp_path, "main", AT_NS) == {SPOT.id: D("0.5")}, "of the whole log"
    (tmp_path / moved.file).unlink()
    with pytest.raises(TapelineError, match="which is not there"):
        ours_of(tmp_path, "main", AT_NS)
    journal.close()


def test_without_a_journal_nothing_is_ours_and_nothing_is_written(tmp_path: Path) -> None:
    said: list[str] = []
    notes_into(None, "main", lambda: AT_NS, said.append)("halt", "x")
    notes_into(tmp_path, "main", lambda: AT_NS, said.append)("halt", "x")
    assert (said, list(tmp_path.iterdir())) == ([], [])
    assert ours_of(None, "main", AT_NS) == {}
    assert ours_of(tmp_path, "main", AT_NS) == {}


def test_notes_are_in_the_journal(tmp_path: Path) -> None:
    Journal(tmp_path).close()
    note = notes_into(tmp_path, "main", lambda: AT_NS, print)
    note("halt", "one")
    note("halt_report", "two")
    journal = Journal(tmp_path)
    assert [each.record for each in journal.replay()] == [
        Note("halt", "main", "one"),
        Note("halt_report", "main", "two"),
    ]
    journal.close()


def test_a_journal_that_is_none_is_told_of_once(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").write_bytes(b"no database, but long enough to be looked at" * 40)
    with pytest.raises(TapelineError, match="cannot be read"):
        ours_of(tmp_path, "main", AT_NS)
    said: list[str] = []
    note = notes_into(tmp_path, "main", lambda: AT_NS, said.append)
    note("halt", "one")
    note("halt", "two")
    assert len(said) == 1
    assert said[0].startswith("not in the journal: ")


def test_which_orders_are_of_our_making_is_known_while_another_writes(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    ours = f"t8{journal.instance}0000001grid"
    journal.close()
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        owns = owner_of(tmp_path)
        assert [owns(each) for each in (ours, "f18a2b3c4d5e6f7n1", "web1", "t8otherone0000001grid", "")] == [
            True, True, False, False, False,
        ]  # fmt: skip


def test_where_nobody_knows_which_are_ours_none_is_told_apart(tmp_path: Path) -> None:
    for folder in (None, tmp_path):
        assert owner_of(folder)("web1")
    (tmp_path / FILE).write_bytes(b"this is no database at all, and it is longer than a header of one would be" * 9)
    assert owner_of(tmp_path)("web1")
    (tmp_path / FILE).unlink()
    with closing(sqlite3.connect(tmp_path / FILE)) as empty:
        empty.execute("CREATE TABLE instance (name TEXT)")
    assert owner_of(tmp_path)("web1")
