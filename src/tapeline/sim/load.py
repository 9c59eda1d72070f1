"""Recorded files to a source: tapes in order as one, and the REST answers that belong to them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from tapeline.errors import BadData, ConfigError
from tapeline.sim.recording import Recorded, Recording
from tapeline.store.tape import TapeReading, read_answers, read_tape
from tapeline.venues.spec import Venue


def recording(venue: Venue, tapes: Sequence[Path], answers: Sequence[Path] = ()) -> Recording:
    """One source of these files. Raises ConfigError where a file is missing or holds nothing of this venue."""
    for path in (*tapes, *answers):
        if not path.is_file():
            raise ConfigError(f"no such file: {path}")
    reading = TapeReading()
    try:
        frames = [pair for path in tapes for pair in _frames(path, reading)]
        found = Recording(venue, frames, [one for path in answers for one in _answers(path, reading)])
    except (OSError, BadData) as error:
        raise ConfigError(f"a recording cannot be read: {error}") from error
    if not found.topics:
        why = f"; the first problem: {reading.bad[0]}" if reading.bad else ""
        names = ", ".join(map(str, tapes))
        raise ConfigError(f"{names}: {reading.lines} lines, none of them a market frame of {venue.name}{why}")
    return found


def _frames(path: Path, reading: TapeReading) -> Iterator[tuple[int, bytes]]:
    latest_ns = 0
    for line in read_tape(path, reading):
        latest_ns = max(latest_ns, line.at_ns)  # a line without a time happened when the one before it did
        if line.dir == "in":
            yield latest_ns, line.frame


def _answers(path: Path, reading: TapeReading) -> Iterator[Recorded]:
    for answer in read_answers(path, reading):
        if answer.status == 200:
            parts = urlsplit(answer.url)
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
            yield Recorded(answer.at_ns, parts.path, query, answer.body.encode())
