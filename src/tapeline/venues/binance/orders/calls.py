"""What the calls of both markets share: a body read as rows, or as the venue's refusal."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from tapeline.errors import BadData
from tapeline.venues.binance.orders.refusals import Market, raise_refusal
from tapeline.venues.binance.orders.rows_spot import Told
from tapeline.venues.orders import OrderAnswer, OrderAsk

_Row = TypeVar("_Row")
FILLS_PAGE = 1000
ORDERS = "orders"  # the budget of order counts

Parse = Callable[[bytes, OrderAsk, Any, int], Sequence[OrderAnswer]]


def parser(
    venue: str, market: Market, decode: Callable[[bytes], _Row], made: Callable[[_Row, OrderAsk, Told], Sequence[Any]]
) -> Parse:
    """`OrderCall.parse` of a call whose body is decoded so, and whose rows become events so."""

    def parse(body: bytes, ask: OrderAsk, ids: Any, received_ns: int) -> Sequence[OrderAnswer]:
        what = f"{venue} {ask.call} of {ask.client_id or ask.venue_id or _of(ask)}"
        try:
            row = decode(body)
        except (ValueError, RecursionError) as error:
            if raise_refusal(body, ask.call, what, market, received_ns):
                return ()
            raise BadData(f"{what} cannot be read: {error}: {body[:200]!r}", kind="schema") from error
        return made(row, ask, Told(venue, ask.account, ids, received_ns))

    return parse


def nothing(venue: str, market: Market) -> Parse:
    """Of a call whose answer says no more than that it was done."""

    def decode(body: bytes) -> None:
        if not _says_yes(body):
            raise ValueError("not what is done")

    return parser(venue, market, decode, lambda _row, _ask, _told: ())


def after_last(ids: Callable[[bytes], Sequence[int]]) -> Callable[[OrderAsk, bytes], OrderAsk | None]:
    """`OrderCall.next` of a list in order of ids: a full page goes on after the last of it."""

    def following(ask: OrderAsk, body: bytes) -> OrderAsk | None:
        found = ids(body)
        if len(found) < min(ask.limit or FILLS_PAGE, FILLS_PAGE):
            return None
        return replace(ask, from_id=str(max(found)), from_ns=None, to_ns=None)

    return following


class _Code(msgspec.Struct, gc=False):
    """{"code":200,"msg":"The operation of cancel all open order is done."}; anything else that is an object, too."""

    code: int | str = 200


_code = msgspec.json.Decoder(_Code).decode


def _says_yes(body: bytes) -> bool:
    """An object that is no error."""
    try:
        return int(_code(body).code) >= 0
    except (ValueError, RecursionError):
        return False


def _of(ask: OrderAsk) -> str:
    return "the account" if ask.instrument is None else ask.instrument.native
