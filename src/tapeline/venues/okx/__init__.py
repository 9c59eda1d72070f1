"""OKX: spot, swaps, futures and options behind one API.

https://www.okx.com/docs-v5/en/
"""

from tapeline.model.event import BookDelta
from tapeline.model.verdict import APPLY, GAP, STALE, Verdict
from tapeline.venues.okx.asking import requests
from tapeline.venues.okx.decode import decoder
from tapeline.venues.okx.orders import ORDER_ALLOWANCES
from tapeline.venues.okx.refusals import SILENCE_S
from tapeline.venues.okx.rest import ALLOWANCES, calls
from tapeline.venues.okx.serve import SERVER
from tapeline.venues.okx.trading import ORDERS
from tapeline.venues.okx.wire import INTERVALS
from tapeline.venues.spec import Feed, Heartbeat, Limits, Venue

__all__ = ["OKX", "judge"]


def judge(at: int | None, delta: BookDelta) -> Verdict:
    """The venue's rules for `books`, and for what is buffered while a REST snapshot S is fetched.

    2. prevSeqId == last seqId: apply; so does 3, the keep-alive of a quiet book (prevSeqId == seqId == last), and
    4, a reset by maintenance (seqId < prevSeqId == last), from which the sequence goes on.
    "Drop updates with seqId <= S. The first kept must satisfy prevSeqId <= S < seqId." A reset that does not follow
    is a hole, never old: taken for old, all that follows it would be. Archives of 2022 have no sequence to judge by.
    """
    last, previous = delta.last_seq, delta.prev_seq
    if at is None or last is None or previous == at:
        return APPLY
    if previous is not None and last < previous:
        return GAP
    if last <= at:
        return STALE
    return APPLY if previous is not None and previous <= at else GAP


_CONTRACTS = ("perpetual", "future", "option")
_FEEDS = (
    Feed(
        channel="trades",
        wire_name="trades",
        endpoint="public",
        continuity="ids",
        evidence="count",
        repair="trades",
    ),
    Feed(channel="quotes", wire_name="bbo-tbt", endpoint="public"),
    Feed(channel="ticker", wire_name="tickers", endpoint="public"),
    Feed(channel="book", wire_name="books", endpoint="public", judge=judge, snapshot="stream", levels=(5,)),
    Feed(
        channel="bars",
        wire_name="candle",
        endpoint="business",
        intervals=tuple(INTERVALS),
        evidence="bars",
        repair="bars",
    ),
    Feed(channel="mark", wire_name="mark-price", endpoint="public", kinds=_CONTRACTS),
    Feed(channel="index", wire_name="index-tickers", endpoint="public"),
    Feed(channel="funding", wire_name="funding-rate", endpoint="public", kinds=("perpetual",)),
    Feed(channel="open_interest", wire_name="open-interest", endpoint="public", kinds=_CONTRACTS),
    Feed(channel="liquidations", wire_name="liquidation-orders", endpoint="public", quiet=True, kinds=_CONTRACTS),
    Feed(channel="status", wire_name="instruments", endpoint="public", quiet=True),
)

OKX = Venue(
    name="okx",
    urls={
        "public": "wss://ws.okx.com/ws/v5/public",
        "business": "wss://ws.okx.com/ws/v5/business",
        "private": "wss://ws.okx.com/ws/v5/private",
        "rest": "https://www.okx.com",
    },
    feeds={feed.channel: feed for feed in _FEEDS},
    heartbeat=Heartbeat(every_s=20, silence_s=30, ping=b"ping"),
    limits=Limits(
        topics_per_connection=240,
        topics_per_request=100,  # about 6 KB of the 64 KB allowed
        messages_per_s=3,
        connections_per_window=3,
        window_s=1,
        requests_per_hour=480,
        rest=(*ALLOWANCES, *ORDER_ALLOWANCES),
        silence_s=SILENCE_S,
    ),
    decoder=decoder,
    requests=requests,
    rest=calls("okx"),
    server=SERVER,
    orders=ORDERS,
)
