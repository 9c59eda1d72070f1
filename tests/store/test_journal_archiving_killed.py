"""kill -9 before every line that archives, and at any moment of it: nothing is lost, nothing is there twice."""

import json
import random
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tapeline.sim.kept.day import MEMORY
from tapeline.store.journal import FILE, Journal
from tapeline.store.journal_archiving import ASIDE, archive, begun
from tapeline.store.snapshot import played
from tapeline.trading.command import Note
from tapeline.trading.memo import encode
from tapeline.trading.restore import Playback

# Each round a child archives a copy of the same journal, and is killed as it comes to one line more than the child
# before it did. What readers and a start find then is looked at by the parent, and again once it has let one finish.
PROGRAM = """
import json, os, shutil, signal, sys
from decimal import Decimal
from pathlib import Path
from tapeline.model.account import Payment
from tapeline.store import journal as journals, journal_archiving, snapshot
from tapeline.store.journal import Journal
from tapeline.trading.memo import encode
from tapeline.trading.restore import Playback

first, folder = Path(sys.argv[1]) / "first", Path(sys.argv[1]) / "copy"
journal_archiving.BATCH = 4
MANY = {"_summed", "size_of", "begun", "<genexpr>", "<listcomp>"}
OF = {
    journal_archiving.__file__: None,
    journals.__file__: {"put_away", "_migrate", "drop", "shrink", "_transaction"},
    snapshot.__file__: {"write", "sync", "_put"},
}

def killed_at(line):
    lines = 0
    def trace(frame, event, _):
        nonlocal lines
        names = OF.get(frame.f_code.co_filename, ())
        if frame.f_code.co_name in MANY or (names is not None and frame.f_code.co_name not in names):
            return None
        if event == "line":
            lines += 1
            if lines == line:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace
    return trace

def pay(journal, number):
    journal.append([Payment(None, "payments", number, number, "ws", "a", id=f"{number}-{each}", currency="U",
                            amount=Decimal(1), kind="transfer") for each in range(3)], number)

def found():
    journal, said = Journal(folder), []
    log = list(journal.replay())
    whole = Playback(journal.instance)
    for entry in log:
        whole.play(entry)
    by, _ = snapshot.played(journal, say=said.append)
    archives = journal.archives()
    bodies = [journal.body(number) for number in (1, 4, 9, 12, 15)]
    journal.close()
    return {
        "same": encode(by.memo()) == encode(whole.memo()) and bodies == [log[at].body for at in (0, 3, 8, 11, 14)],
        "ids": [entry.record.id for entry in log], "said": said, "begun": journal_archiving.begun(folder, archives),
        "archived": [each.last for each in archives],
    }

journal = Journal(first)
for number in range(1, 4):
    pay(journal, number)
snapshot.write(journal)
journal_archiving.archive(first, 2)
for number in range(4, 6):
    pay(journal, number)
journal.close()
for line in range(1, 2000):
    shutil.copytree(first, folder)
    pid = os.fork()
    if not pid:
        sys.settrace(killed_at(line))
        journal_archiving.archive(folder, 5)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    killed = found()
    journal_archiving.archive(folder, 5)
    print(json.dumps([os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, killed, found()]), flush=True)
    shutil.rmtree(folder)
    if not status:
        break
"""
IDS = [f"{number}-{each}" for number in range(1, 6) for each in range(3)]


def test_killed_at_every_line_it_loses_nothing() -> None:
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM, folder], capture_output=True, text=True, timeout=200, check=False
        )
    assert run.returncode == 0, run.stderr
    rounds = [json.loads(line) for line in run.stdout.splitlines()]

    assert [signalled for signalled, _, _ in rounds[:-1]] == [signal.SIGKILL] * (len(rounds) - 1)
    assert rounds[-1][0] == 0, "the last one was let finish"
    assert len(rounds) > 100, "it was killed at every line, not at some"
    for _, killed, finished in rounds:
        assert (killed["ids"], killed["same"], killed["said"]) == (IDS, True, [])
        assert killed["archived"] in ([3], [3, 12])
        assert finished == {"same": True, "ids": IDS, "said": [], "begun": [], "archived": [3, 12]}
    left = [tuple(killed["begun"]) for _, killed, _ in rounds]
    assert set(left) == {(), (ASIDE,), ("journal-000000000000004-000000000000012.sqlite",)}


BUSY = """
import sys
from pathlib import Path
from tapeline.store.journal_archiving import archive
print("ready", flush=True)
archive(Path(sys.argv[1]), int(sys.argv[2]))
"""


def test_killed_at_any_moment_it_loses_nothing(tmp_path: Path) -> None:
    journal, count, since = Journal(tmp_path), 20_000, 10_001
    for at in range(0, count, 10_000):
        journal.append([Note("n", "a", f"{number} {'x' * 200}") for number in range(at, at + 10_000)], at + 1)
    whole = Playback(journal.instance)
    for entry in journal.replay():
        whole.play(entry)
    chance = random.Random(11)
    for number in range(6):
        running = subprocess.Popen(
            [sys.executable, "-c", BUSY, str(tmp_path), str(since)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert running.stdout is not None
        assert running.stdout.readline() == b"ready\n"
        try:
            running.wait(timeout=chance.uniform(0.0, 0.15 * (number + 1)))
        except subprocess.TimeoutExpired:
            running.kill()
        running.communicate()
        texts = [int(entry.body.split('"text":"')[1].split(" ")[0]) for entry in journal.replay()]
        assert texts == list(range(count))
    archive(tmp_path, since)
    assert begun(tmp_path, journal.archives()) == []
    assert (journal.archives()[-1].last, journal.append([], 1)) == (count - 10_000, count)
    assert encode(played(journal)[0].memo()) == encode(whole.memo())
    assert not (tmp_path / ASIDE).exists()
    assert (tmp_path / FILE).stat().st_size < 10_000 * 400
    journal.close()
