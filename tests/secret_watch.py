"""No secret of any test may show: every `Secret` made during the session is looked for in all that is said.

Log records as they are made (with their tracebacks), messages of our own errors, what tests write to their standard
output and error, and the reports of failures. A test in which one shows fails.
"""

import logging
import re
import traceback
from collections.abc import Generator
from typing import Any

import pytest

from tapeline.errors import TapelineError
from tapeline.model.secret import Secret

SHORTEST = 12  # shorter ones may be words of any message


class Watch:
    """What must not show, and where it has."""

    def __init__(self) -> None:
        self.secrets: set[str] = set()
        self.leaks: list[str] = []
        self._pattern: re.Pattern[str] | None = None

    def keep(self, text: str) -> None:
        """From now on this must not show, whole or by a line of it (a key in PEM has several)."""
        for line in [text, *text.splitlines()]:
            if len(line) >= SHORTEST and not line.startswith("-----") and line not in self.secrets:
                self.secrets.add(line)
                self._pattern = None

    def look(self, where: str, text: str) -> None:
        """Remember a leak; what it is of is not said again."""
        if not self.secrets:
            return
        if self._pattern is None:
            self._pattern = re.compile("|".join(map(re.escape, self.secrets)))
        found = self._pattern.search(text)
        if found is not None:
            about = text[max(0, found.start() - 60) : found.start()]
            self.leaks.append(f"{where}, behind {about!r}")

    def told(self) -> str:
        """The leaks since the last time, "" for none."""
        leaks, self.leaks = self.leaks, []
        return "; ".join(leaks)


WATCH = Watch()


def install(watch: Watch) -> None:
    """Have everything that is said looked through, from here on."""
    made, secret_made = logging.getLogRecordFactory(), Secret.__init__

    def record(*args: Any, **kwargs: Any) -> logging.LogRecord:
        line = made(*args, **kwargs)
        try:
            text = line.getMessage()
        except (TypeError, ValueError):  # arguments that do not fit: the handler tells of it
            text = f"{line.msg} {line.args}"
        if line.exc_info and line.exc_info[0] is not None:
            text += "".join(traceback.format_exception(*line.exc_info))
        watch.look(f"log record of {line.name}", text)
        return line

    def keep(self: Secret, text: str) -> None:
        secret_made(self, text)
        watch.keep(text)

    def error(self: TapelineError, *args: object) -> None:
        Exception.__init__(self, *args)
        watch.look(type(self).__name__, str(args[0]) if args else "")

    logging.setLogRecordFactory(record)
    Secret.__init__ = keep  # type: ignore[method-assign]  # for the length of the session
    TapelineError.__init__ = error  # type: ignore[method-assign, assignment]


install(WATCH)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test in which a secret showed has failed, whatever it found itself."""
    report = yield
    for name, text in report.sections:
        WATCH.look(name, text)
    if report.failed:
        WATCH.look("the report of the failure", report.longreprtext)
    leaks = WATCH.told()
    if leaks:
        report.outcome = "failed"
        report.longrepr = f"a secret was shown: {leaks}"
    return report
