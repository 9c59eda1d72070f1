"""Numbers of ccxt without a float between: how its JSON is read, what it makes of numbers, what comes out as text."""

import json
from collections.abc import Callable
from decimal import Context, Decimal
from typing import Any

from tapeline.errors import BadData
from tapeline.model.number import plain

EXACT_DIGITS = 15  # a float keeps so many digits of what was written, whatever it is
# ccxt rounds in whatever context it finds, and changes it: this one is lent to it, with digits enough for all checks.
LENT = Context(prec=60)


def read_json(text: str | bytes) -> Any:
    """JSON with its numbers as they are written: those with a point stay text, which ccxt reads as well."""
    return json.loads(text, parse_float=str)


def write_json(data: Any, _params: Any = None) -> str:
    """JSON as ccxt sends it; where an adapter passes our exact number on, it goes as text."""
    return json.dumps(data, separators=(",", ":"), default=_as_text)


def as_decimal(value: Any) -> Decimal:
    """What ccxt makes of numbers of the market: sides of its books are sorted by it."""
    return Decimal(str(value))


def text(value: Any) -> str | None:
    """A number of ccxt's as plain text; None where there is none.

    Raises BadData for a float with more digits than a float keeps: an adapter has lost some of them.
    """
    if value is None or value == "":
        return None
    if isinstance(value, float):
        written = Decimal(repr(value))
        if not written.is_finite() or len(written.as_tuple().digits) > EXACT_DIGITS:
            raise BadData(f"ccxt gave {value!r} as a float, which may have lost digits", kind="bad_number")
        return plain(written)
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, str | int) and not isinstance(value, bool):
        return str(value)
    raise BadData(f"{value!r:.40} is no number", kind="bad_number")


def on_exact_frames(client: Any) -> Any:
    """A WebSocket client of ccxt's that reads its frames by `read_json`. The same object, changed."""

    def handle(data: str | bytes) -> None:
        if client.decompressBinary and isinstance(data, bytes):
            data = data.decode()
        client.on_message_callback(client, read_json(data) if _is_json(data) else data)

    client.handle_text_or_binary_message = handle
    return client


def with_exact_numbers(exchange: Any, number: Callable[[Any], Any]) -> None:
    """Have ccxt read and write exactly. `number` is what it makes of a number: `str`, or `as_decimal`."""
    exchange.number = number
    exchange.on_json_response = read_json
    exchange.json = write_json
    client_of = exchange.client
    exchange.client = lambda url: on_exact_frames(client_of(url))


def _is_json(data: str | bytes) -> bool:
    return isinstance(data, str) and data.lstrip()[:1] in {"{", "["}


def _as_text(value: Any) -> str:
    if isinstance(value, Decimal):
        return plain(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
