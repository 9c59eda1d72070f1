"""What journal first costs: appending a command with its digest, what of that is the disk, and how fast it plays back.

uv run python bench/journal.py [FOLDER]
"""

import sys
import tempfile
from decimal import Decimal
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter, process_time

from tapeline.model.account import Fill, OrderUpdate
from tapeline.model.instrument import Instrument
from tapeline.model.order import Intent
from tapeline.store import snapshot
from tapeline.store.journal import Journal
from tapeline.store.journal_writer import JournalWriter
from tapeline.trading.client_ids import ClientIds
from tapeline.trading.command import Submit
from tapeline.trading.input import Sent
from tapeline.trading.record import Digest, Listed
from tapeline.trading.restore import restore
from tapeline.trading.risk.check import approve_flatten

ORDERS = 2_000
WEEKS = 1_000_000  # records
SPOT = Instrument(venue="v", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT")
WANTED = Intent(
    instrument=SPOT.id,
    side="sell",
    kind="limit",
    size=Decimal("0.001"),
    price=Decimal("97000.1"),
    account="main",
    strategy="bench",
)


def steps(ids: ClientIds):
    """What the journal gets for one order: its command, and what came back."""
    client_id = ids.next("bench")
    command = [Submit(approve_flatten(WANTED, Decimal(1), client_id=client_id)), Digest("0" * 32, 1)]
    back = [
        Sent(client_id, "submit", 1),
        OrderUpdate(
            SPOT.id,
            "orders",
            1,
            1,
            "ws",
            "main",
            client_id=client_id,
            venue_id=client_id,
            state="filled",
            filled=Decimal("0.001"),
            size=Decimal("0.001"),
        ),
        Fill(
            SPOT.id,
            "fills",
            1,
            1,
            "ws",
            "main",
            id=client_id,
            client_id=client_id,
            venue_id=client_id,
            side="sell",
            price=Decimal("97000.1"),
            size=Decimal("0.001"),
            fee=Decimal("0.0970001"),
            fee_currency="USDT",
        ),
    ]
    return command, back


def timed(folder: Path, synchronous: str) -> tuple[list[float], Journal]:
    journal = Journal(folder)
    journal._connection.execute(f"PRAGMA synchronous = {synchronous}")  # noqa: SLF001  # how it would be without the disk
    ids = ClientIds("bench")
    journal.append([Listed(SPOT, 1)], 1)
    took = []
    for _ in range(ORDERS):
        command, back = steps(ids)
        began = perf_counter()
        journal.append(command, 1)
        took.append(perf_counter() - began)
        journal.append(back, 1)
    return took, journal


def start(journal: Journal) -> None:
    """A start of a journal of weeks, without a snapshot and with one."""
    ids = ClientIds("weeks")
    for _ in range(WEEKS // 5 // 1_000):
        journal.append([each for _ in range(1_000) for part in steps(ids) for each in part], 1)
    without_s, began_s = perf_counter(), process_time()
    snapshot.restored(journal, 2)
    without_s, without_cpu_s = perf_counter() - without_s, process_time() - began_s
    written_s, began_s = perf_counter(), process_time()
    snapshot.write(journal)
    written_s, written_cpu_s = perf_counter() - written_s, process_time() - began_s
    size = sum(path.stat().st_size for path in snapshot.snapshots(journal.folder))
    journal.append([each for _ in range(1_000) for part in steps(ids) for each in part], 1)
    with_s, began_s = perf_counter(), process_time()
    found = snapshot.restored(journal, 2)
    with_s, with_cpu_s = perf_counter() - with_s, process_time() - began_s
    print(f"a start with {found.records:,} records, a fifth as many orders (in brackets: of the processor)")
    print(f"  by all of them: {without_s:.1f} s ({without_cpu_s:.1f} s)")
    print(
        f"  by a snapshot ({size / 2**20:.0f} MiB) and the last {found.played:,}: {with_s:.1f} s ({with_cpu_s:.1f} s)"
    )
    print(f"  to write the snapshot, in a process of its own: {written_s:.1f} s ({written_cpu_s:.1f} s)")


def main() -> None:
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as name:
        folder = Path(name)
        durable, journal = timed(folder / "full", "FULL")
        free, other = timed(folder / "off", "OFF")
        other.close()
        for label, took in (("synchronous=FULL", durable), ("without fsync", free)):
            p99 = quantiles(took, n=100)[98]
            print(f"{label}: one step's commands p50 {median(took) * 1e6:.0f} us, p99 {p99 * 1e6:.0f} us")
        print(f"fsync is {1 - sum(free) / sum(durable):.0%} of an append")

        began = perf_counter()
        restored = restore(journal.replay(), "bench", 2)
        took_s = perf_counter() - began
        print(f"played back: {restored.records} records in {took_s:.2f} s, {restored.records / took_s:,.0f} a second")
        start(journal)

        writer = JournalWriter(journal)
        writer.start()
        ids = ClientIds("other")
        began = perf_counter()
        done = [writer.append(steps(ids)[0], 1) for _ in range(ORDERS)]
        for each in done:
            each.result()
        took_s = perf_counter() - began
        statistics = writer.statistics()
        writer.stop()
        print(
            f"{ORDERS} steps at once: {took_s:.2f} s in {statistics.transactions} transactions, "
            f"the longest {statistics.longest_s * 1e3:.1f} ms"
        )


if __name__ == "__main__":
    main()
