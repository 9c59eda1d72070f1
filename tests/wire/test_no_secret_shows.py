"""The watch that every test runs under (tests/secret_watch.py), and what it watches for in earnest."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from gateway_stage import Stage, trading
from order_stage import AMBIGUOUS, CREDENTIALS, KEY, SECRET, answer, settle
from wire_fakes import Script

from secret_watch import SHORTEST, WATCH, Watch
from tapeline.errors import TapelineError, TimedOut
from tapeline.model.secret import Secret
from tapeline.wire.pipe import Response

TESTS = Path(__file__).parents[1]
CARELESS = """
from tapeline.model.secret import Secret

def test_careless():
    print(Secret("a-secret-that-is-printed").reveal())

def test_careful():
    print(Secret("a-secret-that-is-printed"))
"""


def test_what_is_a_secret_is_known_by_being_made() -> None:
    Secret("a-secret-that-is-made-here")
    assert "a-secret-that-is-made-here" in WATCH.secrets
    Secret("x" * (SHORTEST - 1))
    assert "x" * (SHORTEST - 1) not in WATCH.secrets
    Secret("-----BEGIN PRIVATE KEY-----\nthe-only-line-of-a-key\n-----END PRIVATE KEY-----")
    assert "the-only-line-of-a-key" in WATCH.secrets
    assert "-----END PRIVATE KEY-----" not in WATCH.secrets


def test_a_watch_finds_what_shows_and_does_not_repeat_it() -> None:
    watch = Watch()
    watch.look("anywhere", "an-open-secret")
    watch.keep("an-open-secret")
    watch.look("a line", "the key is an-open-secret, you see")
    assert watch.told() == "a line, behind 'the key is '"
    watch.look("a line", "the key is ***")
    assert watch.told() == ""


def test_log_records_tracebacks_and_errors_are_looked_through() -> None:
    key = "a-secret-that-is-told-on-purpose"
    Secret(key)
    logger = logging.getLogger("careless")
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    logger.warning("signed with %s", key)
    assert WATCH.told().startswith("log record of careless")
    error = ValueError(key)
    logger.error("it failed", exc_info=(ValueError, error, None))
    assert WATCH.told().startswith("log record of careless")
    logger.warning("%s and %s", key)  # noqa: PLE1206  # arguments that do not fit
    assert WATCH.told().startswith("log record of careless")
    for kind in (TimedOut, TapelineError):
        kind(f"no answer to {key}")
        assert WATCH.told() == f"{kind.__name__}, behind 'no answer to '"


def test_a_test_that_prints_a_secret_fails(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(CARELESS)
    command = [sys.executable, "-m", "pytest", "-p", "secret_watch", "-p", "no:cacheprovider", str(tmp_path)]
    environ = {**os.environ, "PYTHONPATH": str(TESTS)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environ, check=False, timeout=60)
    assert "1 failed, 1 passed" in done.stdout
    assert "a secret was shown: Captured stdout call" in done.stdout


def test_nothing_of_an_account_shows_at_the_most_talkative_level(caplog: pytest.LogCaptureFixture) -> None:
    """Orders, refusals, losses and time-outs, with every logger at its lowest."""

    def sour(script: Script, said: dict[str, Any]) -> None:
        script.say(answer(said, {"code": "key"}, 401))

    async def act(stage: Stage) -> None:
        for number, said in enumerate(AMBIGUOUS):
            stage.exchange.said["place"] = [said]
            stage.place(f"t{number}")
            await settle(1.0)
        stage.network.how["private"] = sour
        stage.network.last("private").cut()
        await settle(100.0)
        status = msgspec.json.encode(stage.gateway.stream.statistics()).decode()
        for text in (status, repr(stage.gateway.rest.credentials), repr(stage.exchange.asked), repr(stage.heard)):
            WATCH.look("status", text)
        assert WATCH.told() == ""
        assert len(stage.problems) > 3

    with caplog.at_level(logging.DEBUG):
        trading(act, said={"order": [TimedOut("late"), Response(500, {}, b"<html>")]})


def test_neither_copies_nor_json_nor_formats_show_it() -> None:
    texts = [repr(CREDENTIALS), f"{CREDENTIALS.key}", f"{CREDENTIALS.key!r:>40}", str([CREDENTIALS.key])]
    texts.append(json.dumps({"key": CREDENTIALS.key}, default=str))
    for text in texts:
        assert KEY not in text
        assert SECRET not in text
    with pytest.raises(TypeError):
        msgspec.json.encode(CREDENTIALS)
