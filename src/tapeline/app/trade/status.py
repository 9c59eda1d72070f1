"""A trading run's part of the status object: accounts, orders, strategies, and how the run itself is doing."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tapeline.app.trade.execution import Execution
from tapeline.app.trade.gate import Gate
from tapeline.app.trade.journalling import Journalling
from tapeline.app.trade.recorder import Recorder
from tapeline.model.number import plain
from tapeline.trading.accounting.allotment import NOBODY
from tapeline.trading.engine import Engine
from tapeline.trading.situation import Situation


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
        "accounts": _accounts(situation, gates),
        "orders": open_orders(situation),
        "strategies": _strategies(engine),
    }  # fmt: skip


def _accounts(situation: Situation, gates: Mapping[str, Gate]) -> list[dict[str, Any]]:
    return [
        {
            "account": name, "venue": account.venue, "state": gates[name].state,
            "equity": plain(situation.equity_seen(name)), "currency": situation.setup.currency,
            "balances": {key: plain(each) for key, each in situation.ledger.balances(name).items() if each},
            "positions": _positions(situation, name),
        }
        for name, account in situation.setup.accounts.items()
    ]  # fmt: skip


def _strategies(engine: Engine) -> list[dict[str, Any]]:
    running = [
        {
            "strategy": name, "paused": seat.paused, "failures": seat.failures,
            "positions": _held_by(engine.situation, name),
        }
        for name, seat in engine.seats.items()
    ]  # fmt: skip
    return running + [
        {"strategy": name, "not_in_this_run": True, "positions": held} for name, held in left_by_others(engine).items()
    ]


def left_by_others(engine: Engine) -> dict[str, dict[str, str]]:
    """What strategies hold that are not in this run (another name, another configuration): nobody here closes it."""
    situation = engine.situation
    named = set().union(*(situation.ledger.strategies(account) for account in situation.setup.accounts))
    held = {name: _held_by(situation, name) for name in sorted(named - set(engine.seats) - {NOBODY})}
    return {name: positions for name, positions in held.items() if positions}


def _held_by(situation: Situation, strategy: str) -> dict[str, str]:
    return {
        f"{account} {key}": size
        for account in situation.setup.accounts
        for key, size in _positions(situation, account, strategy).items()
    }


def _positions(situation: Situation, account: str, strategy: str | None = None) -> dict[str, str]:
    """Sizes of what an account holds now, or one strategy on it."""
    return {
        f"{instrument} {position}": plain(held.size)
        for (instrument, position), held in situation.ledger.holdings(account, strategy).items()
        if held.size
    }


def open_orders(situation: Situation) -> list[dict[str, Any]]:
    """Orders of ours that are not final; `where` says which stand at the venue, and which wait with us."""
    return [
        {
            "order": order.client_id, "instrument": order.intent.instrument, "side": order.intent.side,
            "kind": order.intent.kind, "state": order.state, "strategy": order.intent.strategy,
            "size": None if order.size is None else plain(order.size),
            "price": None if order.price is None else plain(order.price), "filled": plain(order.filled),
            "where": "with us" if order.client_id in situation.waiters else "at the venue",
        }
        for order in situation.blotter.live()
    ]  # fmt: skip
