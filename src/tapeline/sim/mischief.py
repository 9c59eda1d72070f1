"""Faults in frames: what a window of mischief makes of the moments that pass through it. Deterministic."""

from collections.abc import Callable, Sequence

from tapeline.model.topic import Topic
from tapeline.sim.client import Client, carries
from tapeline.sim.faults import Fault
from tapeline.sim.source import Moment


def corrupt(frame: bytes) -> bytes:
    """The frame with one wrong byte: where a value should begin, so that no reader can take it for a good one."""
    at = frame.find(b":") + 1
    return frame[:at] + b"\x01" + frame[at + 1 :]


def torn(frame: bytes) -> bytes:
    """The first half of the frame."""
    return frame[: len(frame) // 2]


def not_utf8(frame: bytes) -> bytes:
    """The frame with a byte in the middle that no UTF-8 text holds."""
    return frame[: len(frame) // 2] + b"\xff\xfe" + frame[len(frame) // 2 :]


_CHANGED: dict[str, Callable[[bytes], Sequence[bytes]]] = {
    "duplicate": lambda frame: (frame, frame),
    "drop": lambda _frame: (),
    "corrupt": lambda frame: (corrupt(frame),),
    "torn": lambda frame: (torn(frame),),
    "utf8": lambda frame: (not_utf8(frame),),
}


class Mischief:
    """One fault at work. `over` once it has done what it should; `flush` gives back what it still holds.

    `clients` are those whose frames it bends; None: everybody's.
    """

    def __init__(self, fault: Fault, clients: Sequence[Client] | None = None) -> None:
        self.fault, self.clients = fault, clients
        self.over = False
        self._once = fault.duration_ns == 0
        self._held: dict[Topic, Moment] = {}

    def apply(self, moments: Sequence[Moment]) -> Sequence[Moment]:
        """What becomes of these moments."""
        if self.fault.kind == "reorder":
            return self._reordered(moments)
        result: list[Moment] = []
        for moment in moments:
            at_ns, topic, frame = moment
            if self.over or not self._strikes(topic):
                result.append(moment)
                continue
            self.over = self._once
            if self.fault.kind == "oversize":
                result.append((at_ns, topic, b'"' + b"x" * (int(self.fault.number()) - 2) + b'"'))
                result.append(moment)
            else:
                result.extend((at_ns, topic, changed) for changed in _CHANGED[self.fault.kind](frame))
        return result

    def flush(self) -> Sequence[Moment]:
        """Moments still held back, in their order."""
        held, self._held = sorted(self._held.values(), key=lambda moment: moment[0]), {}
        return held

    def _strikes(self, topic: Topic) -> bool:
        wanted = self.fault.param
        return self.fault.kind == "oversize" or not wanted or carries(topic, wanted)

    def _reordered(self, moments: Sequence[Moment]) -> Sequence[Moment]:
        """Every second moment of a topic comes before the first."""
        result: list[Moment] = []
        for moment in moments:
            topic = moment[1]
            if self.over or not self._strikes(topic):
                result.append(moment)
            elif topic in self._held:
                result.append(moment)
                result.append(self._held.pop(topic))
                self.over = self._once
            elif self._once and self._held:
                result.append(moment)  # one pair is enough: another topic goes by
            else:
                self._held[topic] = moment
        return result
