"""kill -9 before every line that writes a snapshot: the next start finds the same state, and writes the next one."""

import json
import subprocess
import sys
from pathlib import Path

# Each round a child of its own appends, then writes a snapshot, and is killed as it comes to one line more than the
# child before it did. What a start would find is compared with the whole log, by the parent.
PROGRAM = """
import json, os, signal, sys
from decimal import Decimal
from pathlib import Path
from tapeline.model.account import Payment
from tapeline.store import snapshot
from tapeline.store.journal import Journal
from tapeline.trading.memo import encode
from tapeline.trading.restore import Playback

folder = Path(sys.argv[1])
WRITES = {"write", "_put", "_path", "sync"}

def killed_at(line):
    lines = 0
    def trace(frame, event, _):
        nonlocal lines
        if frame.f_code.co_filename != snapshot.__file__ or frame.f_code.co_name not in WRITES:
            return None
        if event == "line":
            lines += 1
            if lines == line:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace
    return trace

def child(number):
    journal = Journal(folder)
    paid = [Payment(None, "payments", 1, 1, "ws", "a", id=f"{number}-{each}", currency="U", amount=Decimal(1),
                    kind="transfer") for each in range(5)]
    journal.append(paid, 1)
    sys.settrace(killed_at(number))
    snapshot.write(journal)
    sys.settrace(None)
    journal.close()

def found(number, signal):
    journal, whole, said = Journal(folder), None, []
    whole = Playback(journal.instance)
    for entry in journal.replay():
        whole.play(entry)
    by, (begun, last) = snapshot.played(journal, say=said.append)
    same = encode(by.memo()) == encode(whole.memo())
    kept = [each.name for each in snapshot.snapshots(folder)]
    journal.close()
    return {"signal": signal, "same": same, "begun": begun, "last": last, "said": said, "kept": len(kept)}

for number in range(1, 80):
    pid = os.fork()
    if not pid:
        child(number)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    print(json.dumps(found(number, os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0)), flush=True)
    if not status:
        break
"""


def test_killed_at_every_line_it_loses_nothing(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr
    rounds = [json.loads(line) for line in run.stdout.splitlines()]

    assert [each["signal"] for each in rounds[:-1]] == [9] * (len(rounds) - 1)
    assert len(rounds) > 30, "it was killed at every line, not at some"
    assert rounds[-1]["signal"] == 0
    assert [each for each in rounds if not each["same"] or each["said"]] == []
    assert [each["last"] for each in rounds] == [5 * number for number in range(1, len(rounds) + 1)]
    assert rounds[-1]["kept"] == 2, "those that were to go when a kill came are gone"
    assert rounds[-1]["begun"] == rounds[-1]["last"], "the last one was let finish"
    assert rounds[0]["begun"] == 0
    assert len({each["begun"] for each in rounds}) > 3, "some were killed after theirs was named"
    assert not list(tmp_path.glob("*.part")), "what a kill left aside is written over"
