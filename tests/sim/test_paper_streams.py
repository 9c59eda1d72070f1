"""Private streams by themselves; over a venue's protocol they are in test_paper.py."""

from collections.abc import Sequence
from decimal import Decimal

import pytest
import toy_orders as toy
from toy_venue import AB

from tapeline.errors import AuthenticationRefused
from tapeline.model.account import AccountEvent, Balance, Fill, Position
from tapeline.sim.client import Client
from tapeline.sim.faults import Fault
from tapeline.sim.limits import Meter
from tapeline.sim.paper.streams import Streams
from tapeline.venues.orders import Opening

D = Decimal


class FakeLine:
    """The venue's end of a connection, which keeps what was written."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.closed = ""

    async def receive(self) -> bytes:
        raise AssertionError("nobody reads here")

    def write(self, frames: Sequence[bytes]) -> None:
        self.frames += frames

    async def drain(self) -> None:
        return

    def mute(self, muted: bool) -> None:
        del muted

    def close(self, code: int, reason: str) -> None:
        self.closed = f"{code} {reason}"

    def cut(self, half: bytes = b"") -> None:
        del half


def client() -> tuple[Client, FakeLine]:
    line = FakeLine()
    return Client(line, None, 0.0, Meter(1, 1), Meter(1, 1)), line


def streams() -> Streams:
    return Streams(toy.ORDER_SERVER, {AB.id: AB}, 100)


def balance(account: str) -> Balance:
    return Balance(None, "balances", 1, 1, "paper", account, currency="B", total=D(1))


def fill(account: str) -> Fill:
    return Fill(
        AB.id, "fills", 1, 1, "paper", account, id="1", client_id="x", venue_id="1", side="buy", price=D(1), size=D(1)
    )


def position(account: str) -> Position:
    return Position(AB.id, "positions", 1, 1, "paper", account, size=D(1))


def none(where: str, strikes: object) -> None:
    del where, strikes


def told(line: FakeLine) -> int:
    count, line.frames = len(line.frames), []
    return count


def test_each_hears_of_its_account_and_channels() -> None:
    made = streams()
    one, line = client()
    made.opened(one, Opening(login=True, subscribe=("orders", "positions")), "a")
    events: list[AccountEvent] = [fill("a"), balance("a"), position("a"), fill("b")]
    made.tell(events, none, 1)
    assert told(line) == 2
    made.opened(one, Opening(subscribe=("positions",), off=True), "")
    made.tell(events, none, 1)
    assert told(line) == 1
    assert made.account_of(one) == "a"
    made.forget(one)
    made.tell(events, none, 1)
    assert told(line) == 0


def test_nobody_listens_without_a_login() -> None:
    made = streams()
    one, _ = client()
    with pytest.raises(AuthenticationRefused, match="log in first"):
        made.opened(one, Opening(subscribe=("orders",)), "")
    assert made.account_of(one) == ""


def test_a_listen_key_lives_as_long_as_it_is_kept_alive() -> None:
    made = streams()
    key = made.listen_key("a", "", 0)
    assert made.listen_key("a", "", 90) == key
    one, line = client()
    made.open_by(one, key, 150)
    made.tell([balance("a")], none, 189)
    assert told(line) == 1
    made.tell([balance("a")], none, 190)
    assert told(line) == 0
    with pytest.raises(AuthenticationRefused, match="does not exist"):
        made.open_by(one, key, 190)
    with pytest.raises(AuthenticationRefused, match="does not exist"):
        made.listen_key("a", key, 190)
    other = made.listen_key("a", "", 190)
    assert other != key
    made.open_by(one, other, 191)
    made.close_key("b", "")
    assert line.closed == ""
    made.close_key("a", "")
    assert line.closed == "1000 the listen key was closed"


def test_a_fault_of_fills_waits_for_a_fill() -> None:
    made = streams()
    one, line = client()
    made.opened(one, Opening(subscribe=("orders", "balances")), "a")
    twice = Fault("fill_twice", 0)
    asked: list[bool] = []

    def fault(where: str, strikes: object) -> Fault | None:
        assert where == "told"
        assert callable(strikes)
        asked.append(strikes(twice))
        return twice if asked[-1] else None

    made.tell([balance("a")], fault, 1)
    made.tell([fill("a")], fault, 1)
    assert (asked, told(line)) == ([False, True], 3)


def test_a_greeting_is_the_state_of_channels_that_have_one() -> None:
    made = streams()
    one, _ = client()
    made.opened(one, Opening(subscribe=("orders", "balances")), "a")
    frames = made.greeting(
        one, ("orders", "balances"), lambda account, channel: [balance(account)] if channel == "balances" else []
    )
    assert len(frames) == 1
