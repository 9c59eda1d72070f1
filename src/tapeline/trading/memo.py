"""What a journal has come to at one of its records, as bytes: with the records behind it, as good as all of it. Pure.

The state's own classes say what it consists of: nothing is listed here a second time, and none of it is forgotten.
"""

from collections import deque
from hashlib import blake2b
from typing import Any, get_args

import msgspec

from tapeline.errors import BadData
from tapeline.model.instrument import Instrument
from tapeline.trading.accounting.ledger import Ledger
from tapeline.trading.applied import BlotterMemo
from tapeline.trading.risk.losses import Since

PLAYBACK = 3  # raise it when the same records come to mean another state, though its parts have the same names


class Memo(msgspec.Struct, kw_only=True):
    """See `Restored`; `commands` are those since the last digest, as JSON."""

    blotter: BlotterMemo
    ledger: Ledger
    halts: dict[str, str]
    halted_ns: dict[str, int]
    begun_ns: int
    held: dict[str, str]
    losses: dict[str, Since]
    instruments: dict[str, Instrument]
    unexplained: dict[str, int]
    digest: str
    records: int
    last_ns: int
    problems: list[str]
    commands: list[str]


def encode(memo: Memo) -> bytes:
    """As MessagePack."""
    return _encode(memo)


def decode(body: bytes | msgspec.Raw) -> Memo:
    """A memo as it was encoded by the same `layout`. Raises BadData where it is none."""
    try:
        memo: Memo = _decode(body)
    except msgspec.MsgspecError as error:
        raise BadData(f"no memo of a journal: {error}", kind="bad_memo") from error
    return memo


def layout() -> str:
    """What memos of this program consist of, in few letters: one of another layout cannot be read, and is not."""
    parts = msgspec.inspect.type_info(Memo)
    return f"{PLAYBACK}-{blake2b(repr(_outline(parts, set())).encode(), digest_size=8).hexdigest()}"


def _outline(info: Any, seen: set[type]) -> Any:
    """Types by name and, of structs, their fields, however deep: without defaults, which may be functions."""
    if isinstance(info, msgspec.inspect.StructType):
        if info.cls in seen:
            return info.cls.__name__
        seen.add(info.cls)
        return [info.cls.__name__, info.tag, *((each.name, _outline(each.type, seen)) for each in info.fields)]
    if isinstance(info, msgspec.inspect.CustomType):
        return str(info.cls)
    inner = [getattr(info, name) for name in info.__struct_fields__ if name not in {"min_length", "max_length"}]
    return [type(info).__name__, *(_of(each, seen) for each in inner)]


def _of(part: Any, seen: set[type]) -> Any:
    if isinstance(part, msgspec.inspect.Type):
        return _outline(part, seen)
    return [_of(each, seen) for each in part] if isinstance(part, tuple) else str(part)


def _plain(part: Any) -> Any:
    if isinstance(part, deque):
        return list(part)
    raise NotImplementedError(f"a memo cannot hold a {type(part).__name__}")


def _known(kind: Any, part: Any) -> Any:
    a_list: Any = list
    return deque(msgspec.convert(part, a_list[get_args(kind)]))


_encode = msgspec.msgpack.Encoder(enc_hook=_plain).encode
_decode = msgspec.msgpack.Decoder(Memo, dec_hook=_known).decode
