"""kill -9 between any two steps: nothing that was sent is missing from the journal, and nothing is sent twice."""

import random
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tapeline.store.journal import FILE, Journal
from tapeline.trading.restore import restore

# An engine that does nothing but trade, journal first. Its venue is a file: a line that is written stays, whatever
# becomes of the process, as a request does that has left. What was held is sent after a restart; what is unknown never.
PROGRAM = """
import os, sys
from decimal import Decimal
from pathlib import Path
from tapeline.model.account import Fill, OrderUpdate
from tapeline.model.instrument import Instrument
from tapeline.model.order import Intent
from tapeline.store.journal import Journal
from tapeline.store.journal_writer import JournalWriter
from tapeline.trading.command import Hold, Submit
from tapeline.trading.input import Sent
from tapeline.trading.record import Digest, Listed
from tapeline.trading.restore import restore
from tapeline.trading.risk.check import approve_flatten

folder = Path(sys.argv[1])
venue = os.open(folder / "venue", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
journal = Journal(folder / "store")
state = restore(journal.replay(), journal.lead(), 0)
blotter, ledger = state.blotter, state.ledger
writer = JournalWriter(journal)
writer.start()
SPOT = Instrument(venue="v", symbol="B/U", native="BU", kind="spot", base="B", quote="U")
wanted = Intent(instrument=SPOT.id, side="sell", kind="limit", size=Decimal(1), price=Decimal(2), account="a")

def kept(*records):
    writer.append(records, 1).result(30)

def send(client_id):
    order = approve_flatten(wanted, Decimal(1), client_id=client_id)
    kept(Submit(order))  # on the disk before a byte leaves
    os.write(venue, f"{client_id}\\n".encode())
    kept(Sent(client_id, "submit", 1))
    kept(OrderUpdate(SPOT.id, "orders", 1, 1, "ws", "a", client_id=client_id, venue_id=client_id, state="filled",
                     filled=Decimal(1)),
         Fill(SPOT.id, "fills", 1, 1, "ws", "a", id=client_id, client_id=client_id, venue_id=client_id, side="sell",
              price=Decimal(2), size=Decimal(1), fee=Decimal(0), fee_currency="U"))

kept(Listed(SPOT, 1))
print("ready", flush=True)
for client_id in state.held:
    send(client_id)
while True:
    client_id = blotter.next_id("kill")
    blotter.intend(client_id, wanted, 1)
    if ord(client_id[-5]) % 2:
        kept(Hold(client_id, wanted))
    send(client_id)
"""
KILLS = 12


def test_a_killed_engine_loses_nothing_and_sends_nothing_twice(tmp_path: Path) -> None:
    chance = random.Random(7)
    for _ in range(KILLS):
        running = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert running.stdout is not None
        assert running.stderr is not None
        said = running.stdout.readline()
        assert said == "ready\n", running.stderr.read()
        try:
            running.wait(timeout=chance.uniform(0.0, 0.12))
        except subprocess.TimeoutExpired:
            running.kill()
        running.communicate()
    sent = Counter((tmp_path / "venue").read_text(encoding="utf-8").split())
    with sqlite3.connect(tmp_path / "store" / FILE) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    journal = Journal(tmp_path / "store")
    state = restore(journal.replay(), journal.lead(), 0)
    journal.close()
    known = {client_id: state.blotter.order(client_id) for client_id in sent}

    assert len(sent) > KILLS, "it traded"
    assert [client_id for client_id, times in sent.items() if times > 1] == []
    assert [client_id for client_id, order in known.items() if order is None] == []
    states = Counter(order.state for order in known.values() if order is not None)
    assert set(states) <= {"filled", "unknown"}
    assert states["unknown"] <= KILLS, "one at most a kill was in flight"
    assert state.ledger.balance("a", "U") == 2 * states["filled"]
    assert state.ledger.balance("a", "B") == -states["filled"]
    assert state.problems == []
    assert state.blotter.next_id("kill") not in sent
