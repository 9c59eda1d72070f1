"""What we ask of OKX on a connection. Pure."""

from collections.abc import Sequence

import msgspec

from tapeline.model.topic import Topic
from tapeline.venues.okx.wire import arg_of, shared
from tapeline.venues.spec import Subscribe

MAINTENANCE = arg_of(Topic("status", ""))  # planned or running, of the whole venue: it comes as notices


def requests(asked: Subscribe) -> Sequence[bytes]:
    """One frame; topics that share an arg are asked for once. Who asks for a status hears of the venue's own, too.

    Such an arg is not given back with one of its topics, since the others would fall silent: what comes for nobody is
    dropped by the merge.
    """
    topics = [topic for topic in asked.topics if asked.on or not shared(topic)]
    args = dict.fromkeys(map(arg_of, topics))
    if not args:
        return ()
    if asked.on and any(topic.channel == "status" for topic in topics):
        args[MAINTENANCE] = None
    op = "subscribe" if asked.on else "unsubscribe"
    return (msgspec.json.encode({"id": str(asked.request_id), "op": op, "args": list(args)}),)
