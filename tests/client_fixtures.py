"""Other people's clients, each in an environment of its own, against our paper exchange on real sockets."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "clients"
ROOT = Path(__file__).parents[1]
ENVIRONMENTS = ROOT / ".clients"
KEY, SECRET, PASSPHRASE = "paper-key-5f1c", "paper-secret-9a77e3", "paper-words-31"
READY_S, RUN_S = 30, 300
PACKAGES = {
    "sdks": ("ccxt==4.5.90", "python-okx==0.4.4", "binance-sdk-spot==13.2.0"),
    "freqtrade": ("freqtrade==2026.9",),
    "hftbacktest": ("hftbacktest==2.4.4",),
    "gateway": ("ccxt==4.5.90", "--editable", f"{ROOT}[ccxt]"),  # ours, with its extra
}


def environment(name: str) -> Path:
    """The interpreter of an environment with these packages; made where it is not there yet."""
    python = ENVIRONMENTS / name / "bin" / "python"
    done = ENVIRONMENTS / name / "tapeline-done"
    wanted = "\n".join(PACKAGES[name])
    if done.exists() and done.read_text() == wanted:
        return python
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    _run(["uv", "venv", "--no-config", "--quiet", "--clear", "--python", version, str(ENVIRONMENTS / name)])
    _run(["uv", "pip", "install", "--no-config", "--quiet", "--python", str(python), *PACKAGES[name]])
    done.write_text(wanted)
    return python


@contextmanager
def paper(venue: str, balance: str, *options: str) -> Iterator[dict[str, Any]]:
    """`tapeline serve-venue VENUE --paper` as a process; gives its first line of JSON."""
    command = [
        sys.executable, "-m", "tapeline.surfaces.cli", "serve-venue", venue, "--market", "7", "--paper",
        "--key", KEY, "--secret", SECRET, "--passphrase", PASSPHRASE, "--balance", balance, *options,
    ]  # fmt: skip
    with (
        tempfile.TemporaryFile("w+") as log,  # a pipe that nobody reads would fill, and the venue wait for ever
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            log.seek(0)
            assert line, f"no paper exchange: {log.read()}"
            yield json.loads(line)
        finally:
            process.terminate()
            process.communicate(timeout=READY_S)


def report(python: Path, program: str, settings: dict[str, Any] | Path, *, trust: str = "") -> Any:
    """What a client program printed last, as JSON; its errors where it failed.

    It gets its settings as JSON, or the path of a file of them. `trust`: a certificate it believes.
    """
    given = str(settings) if isinstance(settings, Path) else json.dumps(settings)
    found = subprocess.run(
        [str(python), str(HERE / "programs" / program), given],
        capture_output=True, text=True, timeout=RUN_S, check=False,
        env={**os.environ, **({"SSL_CERT_FILE": trust} if trust else {})},
    )  # fmt: skip
    assert found.returncode == 0, f"{program}: {found.stdout[-2000:]}\n{found.stderr[-6000:]}"
    return json.loads(found.stdout.strip().splitlines()[-1])


def _run(command: list[str]) -> None:
    ENVIRONMENTS.mkdir(exist_ok=True)  # not in our own folder: its constraints are not for other people's packages
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, cwd=ENVIRONMENTS)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr[-3000:]}"
