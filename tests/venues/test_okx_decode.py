"""OKX frames in, exact events out: the venue's own samples, and what independent implementations say of them."""

from decimal import Decimal

from tapeline.model.event import Trade
from tapeline.venues.okx import OKX

RECEIVED_NS = 1_700_000_000_000_000_000


def test_a_merged_trade_spans_the_ids_it_counts() -> None:
    frame = (
        b'{"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","tradeId":"130639474",'
        b'"px":"42219.9","sz":"0.12060306","side":"buy","ts":"1630048897897","count":"3"}]}'
    )
    (event,) = OKX.decoder("okx", {})(frame, RECEIVED_NS)
    assert event == Trade(
        "okx:BTC-USDT", "trades", 1_630_048_897_897_000_000, RECEIVED_NS, "ws", "130639474", 130639474, "buy",
        Decimal("42219.9"), Decimal("0.12060306"), 130639472, 130639474,
    )  # fmt: skip
