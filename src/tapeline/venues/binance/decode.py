"""Frames to events. The hot path finds a handler by the frame's head, with instrument and channel bound in it."""

import re
from collections.abc import Mapping, Sequence

import msgspec

from tapeline.errors import BadData
from tapeline.model.event import Event, Notice
from tapeline.model.instrument import Instrument
from tapeline.venues.binance import wire
from tapeline.venues.binance.handlers import BOUND, LOOSE, MS_NS, Handler, partial_book
from tapeline.venues.binance.streams import Dialect, channels_of
from tapeline.venues.spec import Ack, Closing, Control, Decode, Problem, Refusal

MOST_HANDLERS = 4096  # a connection carries 1024 streams at most; a hostile name must not grow memory
MOST_NAME = 100
# What reading can raise: every msgspec error is a ValueError, a number that is none an ArithmeticError.
_UNREADABLE = (ValueError, ArithmeticError, RecursionError)

_envelope = msgspec.json.Decoder(wire.Envelope).decode
_peek = msgspec.json.Decoder(wire.Peek).decode
_peek_kline = msgspec.json.Decoder(wire.PeekKline).decode
_ms = msgspec.json.Decoder(wire.Ms).decode
_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode

IGNORED: Mapping[str, str] = {
    "1hTicker": "a rolling hour is not the rolling day that `ticker` means",
    "4hTicker": "nor are four hours",
    "1dTicker": "the day so far, not the rolling one",
    "avgPrice": "a five-minute average: bars say more",
    "referencePrice": "the venue's own reference, neither index nor mark price of a derivative",
    "blockTrade": "not part of the series of trades",
    "continuous_kline": "bars of whichever contract is current: no instrument of its own",
    "compositeIndex": "the make-up of an index; its price comes with the mark price",
    "assetIndexUpdate": "collateral rates, not market data",
}
"""Documented public payloads that are no event of ours, and why."""

IGNORED_STREAMS: Mapping[str, str] = {
    r"rpiDepth.*": "includes orders that the ordinary book excludes: mixed in, neither would be right",
    r"kline_\w+@.+": "a day that begins in another time zone (kline_1d@+08:00) is not the bar of this name",
}
"""The same for streams whose payload looks like another's, by the word behind the symbol."""

PRIVATE = frozenset({
    "executionReport", "outboundAccountPosition", "outboundAccountInfo", "balanceUpdate", "externalLockUpdate",
    "listStatus", "listenKeyExpired", "eventStreamTerminated", "USER_LIABILITY_CHANGE", "MARGIN_LEVEL_STATUS_CHANGE",
    "ORDER_TRADE_UPDATE", "TRADE_LITE", "ACCOUNT_UPDATE", "ACCOUNT_CONFIG_UPDATE", "ALGO_UPDATE", "MARGIN_CALL",
    "CONDITIONAL_ORDER_TRIGGER_REJECT", "STRATEGY_UPDATE", "GRID_UPDATE",
})  # fmt: skip

_ignored_word = re.compile("|".join(IGNORED_STREAMS), re.ASCII).fullmatch
_BOUND_TYPES = {"trade": "trades", "aggTrade": "aggtrades", "bookTicker": "quotes", "depthUpdate": "book"}
_LOOSE_TYPES = {
    "24hrTicker": "ticker", "24hrMiniTicker": "ticker", "markPriceUpdate": "mark", "forceOrder": "liquidations",
    "contractInfo": "status",
}  # fmt: skip

Items = Sequence[Event | Control]


def decoder(dialect: Dialect, venue: str, instruments: Mapping[str, Instrument]) -> Decode:
    """The decoder of one connection: see `venues.spec.Decode`."""
    heads: dict[bytes, Handler] = {}
    slowly = _Reader(dialect, venue, instruments, heads).read
    known = heads.get

    def decode(frame: bytes, received_ns: int) -> Items:
        head, _, data = frame.partition(b'"data":')  # {"stream":"btcusdt@trade","data":{...}}
        handler = known(head)
        if handler is not None:
            try:
                events = handler(data.removesuffix(b"}"), received_ns)
            except _UNREADABLE:  # the slow way says what is wrong
                events = None
            if events is not None:
                return events
        return slowly(frame, received_ns)

    return decode


class _Reader:
    """The general way: any frame, however it is wrapped. Fills `heads` with the handlers of what it meets."""

    def __init__(
        self, dialect: Dialect, venue: str, instruments: Mapping[str, Instrument], heads: dict[bytes, Handler]
    ) -> None:
        self._dialect = dialect
        self._venue = venue
        self._instruments = instruments
        self._heads = heads

    def read(self, frame: bytes, received_ns: int) -> Items:
        """Raises BadData, and nothing else."""
        try:
            if frame.lstrip()[:1] == b"[":
                return self._each(_raws(frame), received_ns)
            return self._object(_envelope(frame), frame, received_ns)
        except msgspec.ValidationError as error:
            raise BadData(f"{self._venue}: {error}: {frame[:200]!r}", kind="schema") from error
        except ArithmeticError as error:
            raise BadData(f"{self._venue}: no number: {frame[:200]!r}", kind="bad_number") from error
        except (ValueError, RecursionError) as error:
            raise BadData(f"{self._venue}: {error}: {frame[:200]!r}", kind="bad_json") from error

    def _object(self, envelope: wire.Envelope, frame: bytes, received_ns: int) -> Items:
        if envelope.stream is not None and envelope.data is not msgspec.UNSET:
            return self._streamed(envelope.stream, bytes(envelope.data), received_ns)
        request_id = envelope.id if isinstance(envelope.id, int) else None
        if envelope.error is not None:
            return (Refusal(str(envelope.error.code), envelope.error.msg, request_id),)
        if envelope.code is not None:
            return (Refusal(str(envelope.code), envelope.msg, request_id),)
        if envelope.result is not msgspec.UNSET:
            return (Ack(request_id),)
        if envelope.event is not msgspec.UNSET:
            return self._payload(bytes(envelope.event), received_ns)
        return self._payload(frame, received_ns)

    def _streamed(self, stream: str, data: bytes, received_ns: int) -> Items:
        symbol, _, word = stream.partition("@")
        handler = self._handler(symbol.upper(), word)
        if handler is None:
            return () if _ignored_word(word) else self._payload(data, received_ns)
        events = handler(data, received_ns)
        if events is None:
            if word.startswith("depth"):  # a change and a top of book look alike: only the name tells
                raise BadData(f"{self._venue}: a book of another symbol on {stream}: {data[:200]!r}", kind="schema")
            return self._payload(data, received_ns)  # the payload names another symbol: it knows best
        if len(self._heads) < MOST_HANDLERS and len(stream) <= MOST_NAME:
            self._heads[b'{"stream":"%b",' % stream.encode()] = handler
        return events

    def _handler(self, native: str, word: str) -> Handler | None:
        if word == "depthSnapshot":  # Tardis's recordings hold REST books under this name
            return partial_book(self.id_of(native), "book", native)
        if word == "openInterest":  # and REST answers under this
            return LOOSE["open_interest"](self.id_of)
        channels = channels_of(word, self._dialect)
        if not channels:
            return None
        text = channels[0]
        kind = text.partition("@")[0].partition(":")[0]
        make = self._dialect.top if text.startswith("book:") else BOUND.get(kind)
        return make(self.id_of(native), text, native) if make is not None else LOOSE[kind](self.id_of)

    def _payload(self, data: bytes, received_ns: int) -> Items:
        """A payload by what it says of itself: raw streams, all-market streams, names that tell nothing."""
        if data[:1] == b"[":
            return self._each(_raws(data), received_ns)
        about = _peek(data)
        if about.st != wire.SPOT_OR_USDM:
            return ()  # a COIN-M contract on an all-market stream
        handler = self._handler_of(about)
        if handler is None:
            return self._other(about, data, received_ns)
        events = handler(data, received_ns)
        if events is None:
            raise BadData(f"{self._venue}: {data[:200]!r} contradicts itself", kind="schema")
        return events

    def _handler_of(self, about: wire.Peek) -> Handler | None:
        if about.e in _LOOSE_TYPES:
            return LOOSE[_LOOSE_TYPES[about.e]](self.id_of)
        if not about.s:
            return None
        kind = _BOUND_TYPES.get(about.e)
        if about.e == "kline" and about.k is not msgspec.UNSET:
            kind = next(iter(channels_of(f"kline_{_peek_kline(about.k).i}", self._dialect)), None)
        elif not about.e and about.u is not msgspec.UNSET:
            kind = "quotes"
        if kind is None:
            return None
        return BOUND[kind.partition(":")[0]](self.id_of(about.s), kind, about.s)

    def _other(self, about: wire.Peek, data: bytes, received_ns: int) -> Items:
        if about.e == "serverShutdown":
            at_ns = None if about.E is msgspec.UNSET else _ms(about.E) * MS_NS
            text = "the venue closes this connection soon"
            notice = Notice(None, "notice", at_ns, received_ns, "ws", self._venue, about.e, text)
            return (Closing(about.e), notice)
        if about.e in IGNORED:
            return ()
        if about.e in PRIVATE:
            raise BadData(
                f"{self._venue}: {about.e} is private data: only the stream of an account is to bring it",
                kind="private",
            )
        raise BadData(f"{self._venue}: unknown message {about.e or data[:100]!r}", kind="unknown_type")

    def _each(self, payloads: Sequence[msgspec.Raw], received_ns: int) -> Items:
        """An array: what can be read of it, and a Problem for each part that cannot."""
        items: list[Event | Control] = []
        for payload in payloads:
            try:
                items.extend(self._payload(bytes(payload), received_ns))
            except BadData as bad:
                items.append(Problem(bad.kind, str(bad)))
            except msgspec.ValidationError as error:
                items.append(Problem("schema", str(error)))
            except ArithmeticError:
                items.append(Problem("bad_number", f"no number: {bytes(payload)[:200]!r}"))
        return items

    def id_of(self, native: str) -> str:
        """The instrument's id; one that is on no list goes by the venue's own name."""
        instrument = self._instruments.get(native)
        return instrument.id if instrument is not None else f"{self._venue}:{native}"
