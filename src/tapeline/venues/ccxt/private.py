"""An account's stream through ccxt: how it is opened, and what it says. Pure."""

from collections.abc import Mapping, Sequence
from functools import partial

import msgspec

from tapeline.errors import BadData
from tapeline.model.account import AccountEvent
from tapeline.model.instrument import Instrument
from tapeline.model.secret import Credentials
from tapeline.venues.ccxt.orders import Reading, events, keys_of
from tapeline.venues.ccxt.wire import UNREADABLE, Told
from tapeline.venues.orders import Answered, Beat, PrivateControl, PrivateDecode, PrivateStep, PrivateStream

_told = msgspec.json.Decoder(Told).decode


def decoder(venue: str, account: str, instruments: Mapping[str, Instrument]) -> PrivateDecode:
    """A decoder for one connection; see `venues.orders.PrivateDecode`."""
    ids = {native: each.id for native, each in instruments.items()}

    def decode(frame: bytes, received_ns: int) -> Sequence[AccountEvent | PrivateControl]:
        try:
            told = _told(frame)
        except UNREADABLE as error:
            raise BadData(f"{venue}: {error}", kind="bad_json") from error
        if told.id:
            return (Answered(told.id, bytes(told.body), told.status),)
        if told.of == "beat":
            return (Beat(),)
        source = "ws" if told.live else "rest"
        by = Reading(lambda native: ids.get(native) or f"{venue}:{native}", account, received_ns, source)
        return events(told.of, told.rows, by)

    return decode


def _login(credentials: Credentials, _venue_ns: int, request_id: str) -> bytes:
    return msgspec.json.encode({"id": request_id, "op": "login", "keys": keys_of(credentials)})


def _watch(symbols: Sequence[str], _credentials: Credentials, _venue_ns: int, request_id: str) -> bytes:
    return msgspec.json.encode({"id": request_id, "op": "watch", "symbols": symbols})


def opening(instruments: Mapping[str, Instrument]) -> tuple[PrivateStep, ...]:
    """Log in, then watch: many exchanges want every symbol named."""
    return (_login, partial(_watch, sorted(instruments)))


PRIVATE = PrivateStream(
    endpoint="private",
    decoder=decoder,
    opening_for=opening,
    silence_s=90.0,
    tells=frozenset({"orders", "fills", "balances", "positions"}),
)
