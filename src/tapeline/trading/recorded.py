"""An engine that tells all that goes into it, in order, and what it wanted done then; and how that is written. Pure."""

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from tapeline.errors import BadData
from tapeline.model.account import AccountEvent
from tapeline.model.event import Event
from tapeline.trading.accounting.ledger import Adjustment
from tapeline.trading.command import Command
from tapeline.trading.engine import Engine
from tapeline.trading.input import EngineInput, Halted
from tapeline.trading.record import Agreed, Listed

About = Event | AccountEvent | EngineInput | Adjustment | Agreed | Listed
BESIDE = (Adjustment, Agreed, Halted)  # of what is written beside commands: what is in the engine's own books
NO_COMMANDS = b"[]"
encode_commands = msgspec.json.Encoder().encode


class Taken(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One input, read back. `do` is start | step | stop, or beside: put into the books without a step.

    `end`, the last of a run that ended in order, has `why`, and the engine's digest. `commands` are the bytes that the
    digest is made of; `raised` is what the engine itself raised: a bug of ours.
    """

    number: int
    do: str
    at_ns: int
    about: About | None = None
    commands: msgspec.Raw = msgspec.Raw(NO_COMMANDS)
    raised: str = ""
    why: str = ""
    digest: str = ""


class Line(msgspec.Struct, omit_defaults=True, gc=False):
    """The same on its way out: what it is about may be any event, and commands are still what they are."""

    number: int
    do: str
    at_ns: int
    about: Any = None
    commands: Sequence[Command] = ()
    raised: str = ""
    why: str = ""
    digest: str = ""


_decode = msgspec.json.Decoder(Taken).decode
_step = Engine.step  # quicker than `super()`, for every event there is


def decode(line: bytes) -> Taken:
    """One line of a recording. Raises BadData where it is none."""
    try:
        return _decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadData(f"no input of a recording: {error}", kind="bad_record") from error


class Take(Protocol):
    """Whoever keeps inputs. It is called in the middle of a decision, and must return at once."""

    def __call__(self, do: str, at_ns: int, about: Any, commands: Sequence[Command], raised: str = "", /) -> None:
        """One input, and what came of it."""
        ...


class RecordedEngine(Engine):
    """The same engine: every input goes to `take` once it was decided on, in that order."""

    def __init__(self, *args: Any, take: Take, **known: Any) -> None:
        super().__init__(*args, **known)
        self._take = take

    def start(self, now_ns: int) -> Sequence[Command]:
        """See `Engine`."""
        commands = super().start(now_ns)
        self._take("start", now_ns, None, commands)
        return commands

    def step(self, event: Any, now_ns: int) -> Sequence[Command]:
        """See `Engine`. An input that the engine fails on is the last one, and the one that is looked for."""
        try:
            commands = _step(self, event, now_ns)
        except Exception as error:
            self._take("step", now_ns, event, (), repr(error))
            raise
        self._take("step", now_ns, event, commands)
        return commands

    def stop(self, now_ns: int) -> Sequence[Command]:
        """See `Engine`."""
        commands = super().stop(now_ns)
        self._take("stop", now_ns, None, commands)
        return commands

    def beside(self, record: Any, at_ns: int) -> None:
        """Something was put into the books at this time, and nothing was to be decided."""
        if isinstance(record, BESIDE):
            self._take("beside", at_ns, record, ())
