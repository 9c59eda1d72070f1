"""Timers in event time: what is due, in the order it was asked for. Pure."""

import heapq
from collections.abc import Callable

NEVER = 1 << 63
SLACK = 100  # ended timers that are left in the heap


class Alarm:
    """One timer. `call` is a function, or the name for `on_timer`; `again_ns` is zero for one that rings once."""

    __slots__ = ("again_ns", "at_ns", "call", "number", "owner")

    def __init__(self, number: int, at_ns: int, owner: str, call: str | Callable[[], object], again_ns: int) -> None:
        self.number, self.at_ns, self.owner, self.call, self.again_ns = number, at_ns, owner, call, again_ns


class Alarms:
    """Every timer of the engine. `due_ns` is when the next one rings, `NEVER` where there is none."""

    def __init__(self) -> None:
        self.due_ns = NEVER
        self._heap: list[tuple[int, int]] = []  # (when, number)
        self._alarms: dict[int, Alarm] = {}
        self._aside: dict[str, list[Alarm]] = {}  # of owners that are not to be called for now
        self._last = 0

    def set(self, at_ns: int, owner: str, call: str | Callable[[], object], again_ns: int = 0) -> int:
        """Ring at this time, and then every `again_ns`; gives its number."""
        self._last += 1
        self._alarms[self._last] = Alarm(self._last, at_ns, owner, call, again_ns)
        self._push(at_ns, self._last)
        return self._last

    def forget(self, number: int) -> None:
        """End one; nothing where it has rung for the last time."""
        self._alarms.pop(number, None)
        self._settle()

    def put_aside(self, owner: str) -> None:
        """Let none of one owner ring until it is `taken_up`."""
        numbers = [each.number for each in self._alarms.values() if each.owner == owner]
        self._aside.setdefault(owner, []).extend(self._alarms.pop(number) for number in numbers)
        self._settle()

    def take_up(self, owner: str, now_ns: int) -> None:
        """Those put aside go on: one that was to ring meanwhile rings now, one that repeats at its next time."""
        for alarm in self._aside.pop(owner, ()):
            self._alarms[alarm.number] = alarm
            at_ns = max(alarm.at_ns, now_ns)
            if alarm.again_ns > 0:
                at_ns += (alarm.at_ns - at_ns) % alarm.again_ns
            self._push(at_ns, alarm.number)
        self._settle()

    def next(self, now_ns: int) -> Alarm | None:
        """The next one that is due; one that repeats is set anew, at the first of its times that is to come."""
        if self.due_ns > now_ns:
            return None
        at_ns, number = heapq.heappop(self._heap)
        alarm = self._alarms[number]
        if alarm.again_ns > 0:
            missed = max(0, (now_ns - at_ns) // alarm.again_ns)
            self._push(at_ns + (missed + 1) * alarm.again_ns, number)
        else:
            del self._alarms[number]
        self._settle()
        return alarm

    def _push(self, at_ns: int, number: int) -> None:
        heapq.heappush(self._heap, (at_ns, number))
        self.due_ns = self._heap[0][0]

    def _settle(self) -> None:
        if len(self._heap) > 2 * len(self._alarms) + SLACK:  # of timers that were ended long before their time
            self._heap = [each for each in self._heap if each[1] in self._alarms]
            heapq.heapify(self._heap)
        while self._heap and self._heap[0][1] not in self._alarms:
            heapq.heappop(self._heap)
        self.due_ns = self._heap[0][0] if self._heap else NEVER
