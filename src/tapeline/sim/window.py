"""A fault at work between its beginning and its end: whom it strikes, and whether it still does. Deterministic."""

from collections.abc import Collection

from tapeline.sim.client import Client
from tapeline.sim.faults import ANSWER, DIAL, ORDER, REQUEST, REST, TOLD, Fault


class Window:
    """A fault at work. It ends with the tape's time, the loop's (the tape may stand still), or when used up.

    `clients` are those it strikes; None: everybody.
    """

    def __init__(
        self, fault: Fault, until_s: float, where: str = "", clients: Collection[Client] | None = None
    ) -> None:  # fmt: skip
        self.fault, self.clients = fault, clients
        self.where = where or fault.where
        self._until_s = until_s
        self.left = 0
        if self.where in {REST, ANSWER, ORDER, TOLD}:
            self.left = 1
        elif fault.where in {DIAL, REQUEST}:
            self.left = int(fault.number())

    def strikes(self, now_s: float) -> bool:
        """Whether it is at work; used up a little by asking."""
        if self.fault.duration_ns:
            return now_s < self._until_s
        self.left -= 1
        return self.left >= 0
