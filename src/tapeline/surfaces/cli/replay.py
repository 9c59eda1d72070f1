"""`tapeline replay`: a recorded trading run again, and whether its commands are the same, byte for byte."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from tapeline.app.trade.replaying import Outcome, recordings
from tapeline.app.trade.replaying import replay as play
from tapeline.model.stamp import iso
from tapeline.trading.replay import Difference

COMMANDS_LONGEST = 4000  # letters of commands that are shown


def replay(
    recording: Annotated[Path, Parameter(help="A recording, or the folder given to `tapeline trade --record`.")],
    /,
    *,
    code: Annotated[
        Path | None,
        Parameter(help="Play it to the files of strategies in this folder, instead of those kept in the recording."),
    ] = None,
    json: Annotated[bool, Parameter(negative=(), help="Print one JSON object for each recording.")] = False,
) -> None:
    """Play a recorded run of `tapeline trade --record` to the same strategies, and compare what they want done.

    Orders, books, settings, limits, instruments and the code of strategies given as files are in the recording;
    nothing is asked of a venue, and nothing is sent. The commands have to be the same, byte for byte; where they are
    not, the first input on which they differ is shown, with the commands then and now. A run that was killed is played
    up to its last whole input.

    Exit codes: 0 the same, 1 they differ, 2 there is no recording, or one that cannot be played.

    Example: `tapeline replay ./recordings`
    """
    differ = False
    for folder in recordings(recording):
        outcome = play(folder, code=code, progress=_progress(folder))
        differ = differ or outcome.difference is not None
        sys.stdout.write(_json(outcome) if json else told(outcome))
        for warning in outcome.warnings:
            sys.stderr.write(f"{folder}: {warning}\n")
    sys.exit(1 if differ else 0)


def told(outcome: Outcome) -> str:
    """How it went, in words."""
    span = f"{iso(outcome.begun_ns)} to {iso(max(outcome.last_ns, outcome.begun_ns))}"
    what = f"{outcome.folder}: {span}, {outcome.inputs} inputs, {outcome.commands} commands"
    if outcome.difference is not None:
        return f"{what}: DIFFERENT\n{_shown(outcome.difference)}"
    end = outcome.ended or f"killed: it ends with its last whole input{', ' + outcome.broken if outcome.broken else ''}"
    return f"{what}: the same, digest {outcome.digest or '(none)'} ({end})\n"


def _shown(difference: Difference) -> str:
    return (
        f"  input {difference.number} at {iso(difference.at_ns)}: {_short(difference.about)}\n"
        f"  recorded: {_short(difference.recorded)}\n"
        f"  replayed: {_short(difference.replayed)}\n"
    )


def _short(text: str) -> str:
    return text if len(text) <= COMMANDS_LONGEST else f"{text[:COMMANDS_LONGEST]}... ({len(text)} letters)"


def _json(outcome: Outcome) -> str:
    return msgspec.json.encode({**_plain(outcome), "same": outcome.difference is None}).decode() + "\n"


def _plain(outcome: Outcome) -> dict[str, object]:
    found: dict[str, object] = msgspec.to_builtins(outcome, enc_hook=str)
    return found


def _progress(folder: Path) -> Callable[[int], None]:
    """On a terminal, how far it is."""

    def tell(inputs: int) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{folder}: {inputs} inputs")
            sys.stderr.flush()

    return tell
