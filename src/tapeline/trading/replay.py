"""A recording played to an engine again: are the commands the same, byte for byte? Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from tapeline.model.instrument import Instrument
from tapeline.trading.accounting.ledger import Adjustment
from tapeline.trading.command import Command
from tapeline.trading.engine import Engine
from tapeline.trading.input import Halted
from tapeline.trading.record import Agreed
from tapeline.trading.recorded import NO_COMMANDS, Taken, encode_commands

_no_commands = bytes(NO_COMMANDS)


@dataclass(frozen=True, slots=True)
class Difference:
    """The first input on which the two do not agree: what it was, and the commands then and now, as JSON."""

    number: int
    at_ns: int
    about: str
    recorded: str
    replayed: str


@dataclass(slots=True)
class Replayed:
    """What came of it. `ended` is why the run ended, "" where the recording is torn: it was killed."""

    inputs: int = 0
    commands: int = 0
    digest: str = ""
    ended: str = ""
    last_ns: int = 0
    difference: Difference | None = None


class Replay:
    """Inputs, one after the other, to an engine made as the recorded one was; `instruments` are those of its books."""

    def __init__(self, engine: Engine, instruments: Mapping[str, Instrument]) -> None:
        self.engine, self._instruments = engine, instruments
        self.found = Replayed()

    def play(self, inputs: Iterable[Taken], progress: Callable[[int], None] = lambda _inputs: None) -> Replayed:
        """Up to the first difference, or to the end."""
        found = self.found
        for taken in inputs:
            found.last_ns = taken.at_ns
            if taken.do == "end":
                found.ended = taken.why
                if taken.digest and taken.digest != self.engine.digest:
                    found.difference = _difference(taken, taken.digest, self.engine.digest)
                break
            found.inputs += 1
            found.difference = self._once(taken)
            if found.difference is not None:
                break
            if not found.inputs & 0x3FFF:
                progress(found.inputs)
        found.digest = self.engine.digest
        return found

    def _once(self, taken: Taken) -> Difference | None:
        """The same input again; what of it is not the same."""
        try:
            commands = self._given(taken)
        except Exception as error:  # noqa: BLE001  # the recorded engine may have failed on this too
            raised = repr(error)
            return None if raised == taken.raised else _difference(taken, taken.raised or _said(taken), raised)
        self.found.commands += len(commands)
        given = encode_commands(commands) if commands else _no_commands
        if taken.raised:
            return _difference(taken, taken.raised, given.decode())
        return None if given == bytes(taken.commands) else _difference(taken, _said(taken), given.decode())

    def _given(self, taken: Taken) -> Sequence[Command]:
        match taken.do:
            case "step":
                return self.engine.step(taken.about, taken.at_ns)
            case "start":
                return self.engine.start(taken.at_ns)
            case "stop":
                return self.engine.stop(taken.at_ns)
        self._beside(taken)
        return ()

    def _beside(self, taken: Taken) -> None:
        """As whoever put it into the books did; see `reconcile.settle` and how a run begins."""
        situation = self.engine.situation
        match taken.about:
            case Adjustment() as adjustment:
                situation.ledger.adjust(adjustment, self._instruments.get(adjustment.instrument))
            case Agreed(account=account, at_ns=at_ns):
                situation.blotter.waive(account, taken.at_ns)
                situation.ledger.agree(account, at_ns)
            case Halted() as halted:
                self.engine.stands(halted)


def _said(taken: Taken) -> str:
    return bytes(taken.commands).decode()


def _difference(taken: Taken, recorded: str, replayed: str) -> Difference:
    about = taken.do if taken.about is None else f"{taken.do} {msgspec.json.encode(taken.about).decode()}"
    return Difference(taken.number, taken.at_ns, about, recorded, replayed)
