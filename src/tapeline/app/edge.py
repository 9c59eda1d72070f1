"""What a venue's desk needs of the world around it: real, or simulated."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from tapeline.clock import Clock
from tapeline.config import ConnectionConfig
from tapeline.model.event import BookSnapshot, Gap
from tapeline.outlet import Outlet
from tapeline.wire.pace import SharedBudget
from tapeline.wire.pipe import Dial, Fetch, Response


class Noted(Protocol):
    """What could not be read or done."""

    def __call__(self, venue: str, connection: str, kind: str, text: str, frame: bytes, *, topic: str = "") -> None:
        """Count it, and log it now and then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """What is real or simulated, injected."""

    dial: Callable[[ConnectionConfig], Dial]
    fetch: Fetch
    clock: Clock
    chance: Callable[[], float]
    record: Callable[[str, str, bytes, int, str], None] | None  # connection, direction, raw, at_ns, reason
    answered: Callable[[str, str, Response, int], None] | None
    problem: Noted
    book: Callable[[BookSnapshot | Gap], None]  # a maintained book is right again, whole; or is lost
    blocking: Sequence[Outlet]  # subscribers of policy `block`, as they come and go
    budget: Callable[[str, str], SharedBudget] | None = None  # (venue, REST URL) -> what its other users here spend
