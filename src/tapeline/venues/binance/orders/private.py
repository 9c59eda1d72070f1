"""Frames of a private connection, whatever is around them: payloads to events, answers to requests."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from tapeline.errors import BadData
from tapeline.model.account import AccountEvent
from tapeline.model.instrument import Instrument
from tapeline.venues.binance.orders.wire import Name, Wrapped
from tapeline.venues.orders import Answered, Ending, PrivateControl, PrivateDecode

Items = Sequence[AccountEvent | PrivateControl]

_wrapped = msgspec.json.Decoder(Wrapped).decode
_name = msgspec.json.Decoder(Name).decode
_ACCEPTED = frozenset({"subscriptionId", "authorizedSince", "listenKey", "apiKey"})


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose stream it is: what every event of it says first."""

    venue: str
    account: str
    instruments: Mapping[str, Instrument]
    source: str = "ws"

    def id_of(self, native: str) -> str:
        """The instrument's id; one that is on no list goes by the venue's own name."""
        instrument = self.instruments.get(native)
        return f"{self.venue}:{native}" if instrument is None else instrument.id


Read = Callable[[Any, Owner, int], Items]  # the payload, whose it is, received_ns


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a market's private stream says: readers by name, and what means nothing to us, with the reason."""

    readers: Mapping[str, tuple[Callable[[bytes], Any], Read]]
    ignored: Mapping[str, str]


def decoder(dialect: Dialect, venue: str, account: str, instruments: Mapping[str, Instrument]) -> PrivateDecode:
    """The decoder of one private connection; see `PrivateDecode`."""
    return partial(_read, dialect, Owner(venue, account, instruments))


def _read(dialect: Dialect, owner: Owner, frame: bytes, received_ns: int) -> Items:
    try:
        around = _wrapped(frame)
        if around.event is not msgspec.UNSET:
            return _payload(bytes(around.event), dialect, owner, received_ns)
        if around.data is not msgspec.UNSET:
            return _payload(bytes(around.data), dialect, owner, received_ns)
        if around.id is not msgspec.UNSET:
            return (answered(around),)
        return _payload(frame, dialect, owner, received_ns)
    except msgspec.ValidationError as error:
        raise BadData(f"{owner.venue}: {error}: {frame[:200]!r}", kind="schema") from error
    except (ValueError, RecursionError) as error:
        raise BadData(f"{owner.venue}: {error}: {frame[:200]!r}", kind="bad_json") from error


def answered(around: Wrapped) -> Answered:
    """The answer to a request: its result, or the venue's error body; empty where it only says yes."""
    request_id = "" if around.id is msgspec.UNSET or around.id is None else str(around.id)
    if around.error is not msgspec.UNSET:
        return Answered(request_id, bytes(around.error), around.status or 400)
    body = b"" if around.result is msgspec.UNSET else bytes(around.result)
    return Answered(request_id, b"" if _only_yes(body) else body, around.status or 200)


def _only_yes(body: bytes) -> bool:
    """Whether a result says no more than that a subscription or a login was accepted."""
    if body in (b"", b"null", b"{}"):
        return True
    found = msgspec.json.decode(body)
    return isinstance(found, dict) and bool(found) and not _ACCEPTED.isdisjoint(found)


def _payload(data: bytes, dialect: Dialect, owner: Owner, received_ns: int) -> Items:
    name = _name(data).e
    if name in dialect.readers:
        decode, read = dialect.readers[name]
        return read(decode(data), owner, received_ns)
    if name == "serverShutdown":
        return (Ending(name),)  # how long ahead is not said
    if name in dialect.ignored:
        return ()
    raise BadData(f"{owner.venue}: unknown private message {name or data[:100]!r}", kind="unknown_type")
