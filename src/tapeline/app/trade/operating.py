"""What a person may ask of a running engine, checked before it is asked: over the instance's control socket."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Protocol

import msgspec

from tapeline.app.trade.reconciling import Reconciler
from tapeline.clock import Clock
from tapeline.control.listening import Handler
from tapeline.errors import ConfigError
from tapeline.trading.engine import Engine
from tapeline.trading.halt import COMPONENTS
from tapeline.trading.input import Operator
from tapeline.trading.risk.limits import Reins, Tables, changes

ACTIONS = ("pause", "unpause", "claim", "limits", "confirm")
COMPARE_WITHIN_S = 4.0  # the control socket gives a request five


class Offer(Protocol):
    """Where an operator's word goes: `Execution.offer`."""

    def __call__(self, event: Any, /) -> None:
        """In turn with everything else."""
        ...


def operator_handlers(
    engine: Engine, offer: Offer, reconcilers: Callable[[], Mapping[str, Reconciler]], clock: Clock
) -> dict[str, Handler]:
    """For the control socket. `operate`: one of ACTIONS; `reconcile`: compare an account with its venue now."""

    def operate(request: Mapping[str, Any]) -> dict[str, Any]:
        action, value = str(request.get("action", "")), str(request.get("value", ""))
        account = _account(engine, request, needed=action == "claim")
        _check(engine, action, account, value)
        who, why = _person(request)
        changed = _changes(engine.situation.risk.limits, action, value)
        offer(Operator(action, account, who, why, clock.wall_ns(), value))
        return {"asked": action, "value": value, "account": account, "changes": changed}

    async def reconcile(request: Mapping[str, Any]) -> dict[str, Any]:
        account = _account(engine, request, needed=True)
        found = reconcilers().get(account)
        if found is None:
            raise ConfigError(f"account {account} is on paper: its exchange is in this process, and nothing can differ")
        accepted = ""
        if request.get("accept"):
            who, why = _person(request)
            accepted = f"{who}: {why}"
        async with asyncio.timeout(COMPARE_WITHIN_S):
            state = await found.run("asked for", accepted=accepted)
        return asdict(state)

    return {"operate": operate, "reconcile": reconcile}


def _check(engine: Engine, action: str, account: str, value: str) -> None:
    """Raise ConfigError for what the engine could not do: there, nobody would hear of it."""
    if action not in ACTIONS:
        raise ConfigError(f"{action!r} is nothing an operator can ask: {', '.join(ACTIONS)}")
    if action in {"pause", "unpause"} and value not in engine.seats:
        raise ConfigError(f"there is no strategy {value!r}: {', '.join(engine.seats)}")
    if action == "claim":
        names = [f"{each.intent.instrument} {each.venue_id}" for each in engine.situation.blotter.foreign(account)]
        if value not in names:
            raise ConfigError(
                f"account {account} has no order of other origin {value!r}: {', '.join(names) or 'it has none'}"
            )
    if action == "limits":
        try:
            msgspec.json.decode(value, type=Tables)
        except msgspec.DecodeError as error:
            raise ConfigError(f"limits: {error}") from error


def _changes(limits: Reins, action: str, value: str) -> list[str]:
    """What becomes of each limit by this word."""
    if action == "limits":
        asked = changes(limits.now, msgspec.json.decode(value, type=Tables))
        return [f"{each}" + (": looser, it waits for confirm" if each.looser else "") for each in asked]
    return [str(each) for each in limits.waiting()] if action == "confirm" else []


def _account(engine: Engine, request: Mapping[str, Any], *, needed: bool) -> str:
    known = list(engine.situation.setup.accounts)
    name = str(request.get("account") or "") or (known[0] if needed and len(known) == 1 else "")
    if (needed or name) and name not in known:
        raise ConfigError(f"say which account: {', '.join(known)}")
    return name


def _person(request: Mapping[str, Any]) -> tuple[str, str]:
    who, why = str(request.get("who") or "").strip(), str(request.get("why") or "").strip()
    if not who or not why or who.lower() in COMPONENTS:
        raise ConfigError("say who you are and why: a person answers for it")
    return who, why
