"""What OKX says besides data: confirmations, refusals, notices. Pure."""

import re
from collections.abc import Sequence

from msgspec import Raw, Struct

from tapeline.errors import BadData
from tapeline.model.event import Event, Notice
from tapeline.model.stamp import iso
from tapeline.venues.okx.wire import MS_NS, PRIVATE_PREFIXES, Arg, MaintenanceItem, Names
from tapeline.venues.spec import Ack, Closing, Control, Refusal

UPGRADE = "64008"
# Wrong URL or channel:candle1m,instId:BTC-USDT doesn't exist. Please use the correct URL, channel and parameters ...
_ARG_IN_TEXT = re.compile(r"channel:([\w-]+)(?:,instType:(\w+))?(?:,instId:([\w-]+))?", re.ASCII)


class Head(Struct):
    """Every frame, as far as is needed to tell what it is."""

    event: str = ""
    op: str = ""
    id: str = ""
    code: str | int = ""
    msg: str = ""
    channel: str = ""
    connCount: str | int = ""
    arg: Arg | None = None
    data: Raw = Raw()


def control(head: Head, names: Names, received_ns: int) -> Sequence[Event | Control]:
    """The meaning of a frame that is no push. Raises BadData for private answers and for what is unknown."""
    match head.event:
        case "subscribe":
            return _confirmed(head, names)
        case "unsubscribe":
            # Not by topic: it may have been asked for anew meanwhile, and that is not confirmed by this.
            return (Ack(request_id=_request_id(head.id)),)
        case "error":
            return _refusals(head, names)
        case "notice":
            notice = Notice(None, "notice", None, received_ns, "ws", names.venue, str(head.code), head.msg)
            return (Closing(head.msg), notice) if notice.code == UPGRADE else (notice,)
        case "channel-conn-count":
            return ()
        case "channel-conn-count-error":
            return (Refusal(head.event, f"{head.channel}: {head.connCount} connections"),)
    if head.event == "login" or head.op:
        raise BadData(f"okx: the answer to a private {head.event or head.op}", kind="private")
    raise BadData(f"okx: unknown event {head.event[:40]!r}", kind="unknown_type")


def maintenance(item: MaintenanceItem, names: Names, received_ns: int) -> Notice:
    """Planned or running maintenance as a notice: code is its state, text its title and times."""
    times = [iso(at_ms * MS_NS) for at_ms in (item.begin, item.end) if at_ms]
    text = f"{item.title} ({' to '.join(times)})" if times else item.title
    at_ns = None if item.ts is None else item.ts * MS_NS
    return Notice(None, "notice", at_ns, received_ns, "ws", names.venue, item.state, text)


def _confirmed(head: Head, names: Names) -> Sequence[Control]:
    """One confirmation comes per arg. Where several topics share it, each of them is confirmed by name.

    By name and not by request: a request names many args, and this one says nothing of the others.
    """
    if head.arg is None:
        raise BadData("okx: a confirmation of nothing", kind="schema")
    request_id = _request_id(head.id)
    topics = names.sharing(head.arg)
    if topics:
        return [Ack(request_id, topic) for topic in topics]
    if head.arg.channel.startswith(PRIVATE_PREFIXES):
        raise BadData(f"okx: {head.arg.channel} is a private channel", kind="private")
    return (Ack(request_id),)


def _refusals(head: Head, names: Names) -> Sequence[Control]:
    """What was refused, from the arg where the frame has one, else from the text.

    Of an arg that several topics share the request tells more than the arg: asked one by one, they come out.
    """
    arg = head.arg
    found = _ARG_IN_TEXT.search(head.msg)
    if arg is None and found is not None:
        channel, instrument_type, native = found.groups(default="")
        arg = Arg(channel, instrument_type, native)
    request_id = _request_id(head.id)
    topics = names.sharing(arg) if arg is not None else ()
    if len(topics) == 1 or request_id is None:
        return [Refusal(str(head.code), head.msg, request_id, topic) for topic in topics or (None,)]
    return (Refusal(str(head.code), head.msg, request_id),)


def _request_id(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
