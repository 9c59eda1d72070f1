"""What became of a command: that its bytes left, why it failed, and whether an answer says how it ended. Pure."""

from collections.abc import Callable

from tapeline.clock import Clock
from tapeline.errors import AuthenticationRefused, OrderRefused, RateLimited, TapelineError, UnknownInstrument
from tapeline.model.account import AccountEvent, OrderUpdate
from tapeline.model.event import Gap
from tapeline.model.order import FINAL
from tapeline.trading.input import Failed, Sent
from tapeline.venues.orders import OrderAnswer, OrderAsk
from tapeline.wire.private.signed import unsure

Told = AccountEvent | Gap | Sent | Failed


class Leaving:
    """Called as the bytes of a command leave; told once, however often the same has to be sent."""

    def __init__(self, client_id: str, what: str, clock: Clock, tell: Callable[[Told], None]) -> None:
        self._client_id, self.what, self._clock, self._tell = client_id, what, clock, tell
        self.left = False

    def __call__(self) -> None:
        """It leaves."""
        if not self.left:
            self.left = True
            self._tell(Sent(self._client_id, self.what, self._clock.wall_ns()))


def reason_of(error: TapelineError) -> str:
    """Why a command failed, as one of REASONS; "" where nobody knows."""
    match error:
        case OrderRefused(reason=reason):
            return reason
        case AuthenticationRefused():
            return "permission"
        case UnknownInstrument():
            return "instrument"
        case RateLimited():
            return "too_many_orders"
    return "" if unsure(error) else "other"


def ends(answer: OrderAnswer, ask: OrderAsk) -> bool:
    """Whether an answer to an amend or a cancel says what became of it, and not only that it was taken."""
    if not isinstance(answer, OrderUpdate):
        return False
    return answer.state in FINAL or (ask.call == "amend" and answer.state != "submitted")
