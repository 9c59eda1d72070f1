"""Private streams of a paper exchange: who hears what of which account, and how faults bend it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tapeline.errors import AuthenticationRefused
from tapeline.model.account import AccountEvent, AccountMode, Balance, Fill, ListUpdate, OrderUpdate, Payment, Position
from tapeline.model.instrument import Instrument
from tapeline.sim.client import Client
from tapeline.sim.faults import TOLD, Fault
from tapeline.venues.orders import Opening, OrderServer

ALL = frozenset({"orders", "balances", "positions"})
_CHANNEL: Mapping[type, str] = {
    OrderUpdate: "orders", ListUpdate: "orders", Fill: "orders", Balance: "balances", Payment: "balances",
    Position: "positions", AccountMode: "positions",
}  # fmt: skip


@dataclass(slots=True)
class Ear:
    """One connection's private side: whose it is, and the channels it hears. `listen_key` "" where it logged in."""

    account: str = ""
    channels: set[str] = field(default_factory=set)
    listen_key: str = ""


class Streams:
    """Every private connection, and the listen keys."""

    def __init__(self, server: OrderServer, instruments: Mapping[str, Instrument], life_ns: int) -> None:
        self._server, self._instruments, self._life_ns = server, instruments, life_ns
        self._ears: dict[int, tuple[Client, Ear]] = {}  # by the connection's id(): clients are compared by identity
        self._listen: dict[str, tuple[str, int]] = {}  # listen key -> account, good until
        self._made = 0

    # ---- connections

    def opened(self, client: Client, opening: Opening, account: str) -> None:
        """A login, a subscription, or its end. Raises AuthenticationRefused where nobody has logged in."""
        ear = self._ear(client)
        if account:
            ear.account = account
        if not ear.account:
            raise AuthenticationRefused("log in first")
        if opening.off:
            ear.channels -= set(opening.subscribe)
        else:
            ear.channels |= set(opening.subscribe)

    def open_by(self, client: Client, listen_key: str, now_ns: int) -> None:
        """A connection whose URL names this key. Raises AuthenticationRefused where it is none, or too old."""
        account, until_ns = self._listen.get(listen_key, ("", 0))
        if now_ns >= until_ns:
            raise AuthenticationRefused("this listen key does not exist")
        self._ears[id(client)] = (client, Ear(account, set(ALL), listen_key))

    def forget(self, client: Client) -> None:
        """It is gone."""
        self._ears.pop(id(client), None)

    def account_of(self, client: Client) -> str:
        """Whose connection it is; "" where nobody has logged in."""
        return self._ear(client).account

    def _ear(self, client: Client) -> Ear:
        return self._ears.setdefault(id(client), (client, Ear()))[1]

    # ---- listen keys

    def listen_key(self, account: str, wanted: str, now_ns: int) -> str:
        """The account's key, good for its whole life again; a new one where it has none."""
        found = next((key for key, (owner, until) in self._listen.items() if owner == account and until > now_ns), "")
        if wanted and wanted != found:
            raise AuthenticationRefused("this listen key does not exist")
        if not found:
            self._made += 1
            self._listen = {key: each for key, each in self._listen.items() if each[1] > now_ns}
            found = f"paper{self._made:08d}{'0' * 51}"
        self._listen[found] = (account, now_ns + self._life_ns)
        return found

    def close_key(self, account: str, wanted: str) -> None:
        """Take it away, and end the connections it opened."""
        gone = [key for key, (owner, _) in self._listen.items() if owner == account and wanted in {"", key}]
        for key in gone:
            del self._listen[key]
        for client, ear in list(self._ears.values()):
            if ear.listen_key in gone:
                client.line.close(1000, "the listen key was closed")

    def end_keys(self, account: str, *, silently: bool) -> None:
        """The venue's own end of them: connections are closed, or left open and told nothing."""
        if not silently:
            self.close_key(account, "")
            return
        for key, (owner, _) in list(self._listen.items()):
            if owner == account:
                self._listen[key] = (owner, 0)

    # ---- telling

    def tell(
        self, events: Sequence[AccountEvent], fault: Callable[[str, Callable[[Fault], bool]], Fault | None], now_ns: int
    ) -> None:
        """Tell everybody whose account it is."""
        filled = any(isinstance(event, Fill) for event in events)

        def strikes(one: Fault) -> bool:
            return filled or one.kind != "fill_twice"

        for client, ear in list(self._ears.values()):
            if ear.listen_key and self._listen.get(ear.listen_key, ("", 0))[1] <= now_ns:
                continue
            frames = self._frames(ear, events)
            if frames:
                client.line.write(_bent(frames, fault(TOLD, strikes)))

    def greeting(
        self, client: Client, channels: Sequence[str], state: Callable[[str, str], Sequence[AccountEvent]]
    ) -> list[bytes]:
        """What a new subscriber is told at once, at venues that do."""
        ear = self._ear(client)
        events = [event for one in channels if one in self._server.greets for event in state(ear.account, one)]
        return self._frames(ear, events)

    def _frames(self, ear: Ear, events: Sequence[AccountEvent]) -> list[bytes]:
        heard = [one for one in events if one.account == ear.account and _CHANNEL[type(one)] in ear.channels]
        frames = self._server.encode(heard, self._instruments) if heard else ()
        return [frame for frame in frames if self._server.channel_of(frame) in {"", *ear.channels}]


def _bent(frames: list[bytes], fault: Fault | None) -> list[bytes]:
    """What becomes of frames that a fault strikes."""
    match None if fault is None else fault.kind:
        case "fill_twice":
            return [frame for frame in frames for _ in range(2)]
        case "told_shuffled":
            return frames[::-1]
        case "told_lost":
            return []
        case _:
            return frames
