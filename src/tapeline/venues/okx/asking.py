"""What we ask of OKX on a connection. Pure."""

from collections.abc import Sequence

import msgspec

from tapeline.venues.okx.wire import arg_of, shared
from tapeline.venues.spec import Subscribe


def requests(asked: Subscribe) -> Sequence[bytes]:
    """One frame; topics that share an arg are asked for once.

    Such an arg is not given back with one of its topics, since the others would fall silent: what comes for nobody is
    dropped by the merge.
    """
    topics = [topic for topic in asked.topics if asked.on or not shared(topic)]
    args = list(dict.fromkeys(map(arg_of, topics)))
    if not args:
        return ()
    op = "subscribe" if asked.on else "unsubscribe"
    return (msgspec.json.encode({"id": str(asked.request_id), "op": op, "args": args}),)
