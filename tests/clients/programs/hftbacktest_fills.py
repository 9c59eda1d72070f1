"""hftbacktest: how much of each order is filled, in parts, by its risk-averse queue without latency.

argv[1] is a file of settings: `rows` is a file of numpy rows (kind, at_ns, price, size), `kinds` names them; `orders`
are [number, side, price, size, from_ns], each cancelled after `lives_ns`. Prints one JSON line: number -> size filled.
"""

import json
import sys

import numpy as np
from hftbacktest import BacktestAsset, HashMapMarketDepthBacktest
from hftbacktest.order import EXPIRED, FILLED, GTX, LIMIT, REJECTED
from hftbacktest.types import (
    BUY_EVENT,
    DEPTH_EVENT,
    DEPTH_SNAPSHOT_EVENT,
    EXCH_EVENT,
    LOCAL_EVENT,
    SELL_EVENT,
    TRADE_EVENT,
    event_dtype,
)

WHAT = {"trade": TRADE_EVENT, "state": DEPTH_SNAPSHOT_EVENT, "level": DEPTH_EVENT}
INVALID_STATUS = 14  # their error of that name
SIDE = {"buy": BUY_EVENT, "sell": SELL_EVENT}


def theirs(path: str, kinds: list[str]) -> np.ndarray:
    """Their array: one row a level or trade."""
    rows = np.load(path)
    flags = np.array([WHAT[what] | SIDE[side] | EXCH_EVENT | LOCAL_EVENT for what, side in map(str.split, kinds)])
    made = np.zeros(len(rows), dtype=event_dtype)
    made["ev"] = flags[rows["kind"]]
    made["exch_ts"] = made["local_ts"] = rows["at_ns"]
    made["px"], made["qty"] = rows["price"], rows["size"]
    return made


def alone(orders: list, lives_ns: int) -> list[list]:
    """The orders in groups, in which none lives while another does: they are to share nothing."""
    groups: list[list] = []
    for order in sorted(orders, key=lambda order: order[4]):
        free = next((group for group in groups if group[-1][4] + lives_ns < order[4]), None)
        if free is None:
            groups.append([order])
        else:
            free.append(order)
    return groups


def filled(rows: np.ndarray, orders: list, settings: dict) -> dict[str, float]:
    """What of each order was filled by the end of its life; none of them lives while another does."""
    asset = (
        BacktestAsset().data([rows]).linear_asset(1.0).constant_order_latency(0, 0).risk_adverse_queue_model()
        .trading_value_fee_model(0.0, 0.0).tick_size(settings["tick"]).lot_size(settings["lot"])
        .partial_fill_exchange()
    )  # fmt: skip
    hbt = HashMapMarketDepthBacktest([asset])
    found: dict[str, float] = {}
    hbt.elapse(0)
    for at, (number, side, price, size, from_ns) in enumerate(orders):
        assert not hbt.elapse(max(0, from_ns - hbt.current_timestamp)), f"order {number} cannot be placed"
        submit = hbt.submit_buy_order if side == "buy" else hbt.submit_sell_order
        submit(0, number, float(price), float(size), GTX, LIMIT, False)
        hbt.elapse(1)
        failed = hbt.elapse(max(0, from_ns + settings["lives_ns"] - hbt.current_timestamp))
        order = hbt.orders(0).get(number)
        assert order is not None, f"order {number} is not known any more"
        if order.status not in {REJECTED, EXPIRED}:
            found[str(number)] = float(size) if order.status == FILLED else float(size) - order.leaves_qty
        if failed:  # it fills an order twice, and stands still from there on
            assert (failed, order.status) == (INVALID_STATUS, FILLED), f"order {number}: error {failed}"
            hbt.close()
            return found | filled(rows, orders[at + 1 :], settings)
        if order.cancellable:
            hbt.cancel(0, number, False)
            hbt.elapse(1)
    hbt.close()
    return found


def main() -> None:
    """All orders, group by group."""
    settings = json.loads(open(sys.argv[1]).read())  # noqa: PTH123, SIM115  # more orders than an argument may be long
    rows = theirs(settings["rows"], settings["kinds"])
    groups = alone(settings["orders"], settings["lives_ns"])
    found: dict[str, float] = {}
    for group in groups:
        found |= filled(rows, group, settings)
    print(json.dumps(found))


main()
