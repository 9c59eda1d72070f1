"""A trading run's part of the status object: accounts, orders, strategies, and how the run itself is doing."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tapeline.app.trade.execution import Execution
from tapeline.app.trade.gate import Gate
from tapeline.app.trade.journalling import Journalling
from tapeline.app.trade.recorder import Recorder
from tapeline.model.number import plain
from tapeline.trading.engine import Engine


def trading_status(
    engine: Engine,
    execution: Execution,
    journal: Journalling,
    gates: Mapping[str, Gate],
    recorder: Recorder | None = None,
) -> dict[str, Any]:
    """Plain JSON values; money as text, exactly."""
    situation = engine.situation
    return {
        "execution": asdict(execution.statistics()),
        "journal": asdict(journal.statistics()),
        "recording": None if recorder is None else {
            "folder": str(recorder.folder), **asdict(recorder.statistics())
        },
        "accounts": [
            {
                "account": name, "venue": account.venue, "state": gates[name].state,
                "equity": plain(situation.equity_seen(name)), "currency": situation.setup.currency,
                "balances": {key: plain(each) for key, each in situation.ledger.balances(name).items() if each},
                "positions": {
                    f"{instrument} {position}": plain(held.size)
                    for (instrument, position), held in situation.ledger.holdings(name).items()
                    if held.size
                },
            }
            for name, account in situation.setup.accounts.items()
        ],
        "orders": [
            {
                "order": order.client_id, "instrument": order.intent.instrument, "side": order.intent.side,
                "kind": order.intent.kind, "state": order.state, "strategy": order.intent.strategy,
                "size": None if order.size is None else plain(order.size),
                "price": None if order.price is None else plain(order.price), "filled": plain(order.filled),
            }
            for order in situation.blotter.live()
        ],
        "strategies": [
            {
                "strategy": name, "paused": seat.paused, "failures": seat.failures,
                "positions": {
                    f"{account} {instrument} {position}": plain(held.size)
                    for account in situation.setup.accounts
                    for (instrument, position), held in situation.ledger.holdings(account, name).items()
                    if held.size
                },
            }
            for name, seat in engine.seats.items()
        ],
    }  # fmt: skip
