"""What the minimal path takes from the journal, and what it writes there. That it cannot stops nothing."""

import sqlite3
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path

from tapeline.errors import BadData, TapelineError
from tapeline.model.instrument import Instrument
from tapeline.model.number import EXACT, ZERO
from tapeline.store.journal import FILE, Journal
from tapeline.store.snapshot import restored
from tapeline.trading.accounting.allotment import NOBODY
from tapeline.trading.accounting.ledger import Ledger
from tapeline.trading.client_ids import ClientIds, is_slice
from tapeline.trading.command import Note

DEADLINE_S = 1.0  # an engine that hangs while it writes keeps nobody for longer


def ours_of(folder: Path | None, account: str, now_ns: int) -> dict[str, Decimal]:
    """What our strategies hold on spot, by instrument, as the journal of a store says; nothing where there is none.

    Raises TapelineError where there is a journal that cannot be read.
    """
    if folder is None or not (folder / FILE).is_file():
        return {}
    try:
        journal = Journal(folder, deadline_s=DEADLINE_S)
        try:
            found = restored(journal, now_ns, method=None)  # sizes are the same by either
        finally:
            journal.close()
    except sqlite3.Error as error:
        raise BadData(f"the journal in {folder} cannot be read: {error}", kind="journal") from error
    return held_on_spot(found.ledger, account, found.instruments)


def held_on_spot(ledger: Ledger, account: str, instruments: Mapping[str, Instrument]) -> dict[str, Decimal]:
    """What strategies hold on spot together, by instrument: what is of other origin is not ours to sell."""
    ours: dict[str, Decimal] = {}
    for strategy in ledger.strategies(account) - {NOBODY}:
        for (instrument, _), holding in ledger.holdings(account, strategy).items():
            known = instruments.get(instrument)
            if known is not None and known.kind == "spot":
                ours[instrument] = EXACT.add(ours.get(instrument, ZERO), holding.size)
    return {instrument: size for instrument, size in ours.items() if size > ZERO}


def owner_of(folder: Path | None) -> Callable[[str], bool]:
    """Which client ids are of our making: those of the journal's instance, and of stops. All, where nobody knows.

    It is read without a lock, so that no engine which hangs while it writes is waited for.
    """
    if folder is None or not (folder / FILE).is_file():
        return lambda _client_id: True
    try:
        connection = sqlite3.connect(f"{(folder / FILE).resolve().as_uri()}?mode=ro", uri=True, timeout=DEADLINE_S)
        try:
            ids = ClientIds(connection.execute("SELECT name FROM instance").fetchone()[0])
        finally:
            connection.close()
    except (sqlite3.Error, TypeError, TapelineError):  # only a word in the report is lost with it
        return lambda _client_id: True
    return lambda client_id: ids.owns(client_id) or is_slice(client_id)


def notes_into(
    folder: Path | None, account: str, now_ns: Callable[[], int], failed: Callable[[str], object]
) -> Callable[[str, str], None]:
    """note(kind, text) -> a line in the journal, where there is one. `failed` hears, once, why there is none."""
    told = False

    def note(kind: str, text: str) -> None:
        nonlocal told
        if folder is None or told or not (folder / FILE).is_file():
            return
        try:
            journal = Journal(folder, deadline_s=DEADLINE_S)
            try:
                journal.append([Note(kind, account, text)], now_ns())
            finally:
                journal.close()
        except (TapelineError, OSError, sqlite3.Error) as error:
            told = True
            failed(f"not in the journal: {error}")

    return note
