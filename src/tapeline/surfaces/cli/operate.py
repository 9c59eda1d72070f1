"""`tapeline operate`: a person's word to a running engine: pause, claim, new limits, a difference accepted."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from cyclopts import Parameter

from tapeline.app.trade.setting_up import limits_of
from tapeline.config import load
from tapeline.control import ask, read_lock
from tapeline.errors import ConfigError, ConnectionLost

WITHIN_S = 6.0


def operate(
    action: Annotated[
        Literal["pause", "unpause", "claim", "limits", "confirm", "reconcile", "accept"],
        Parameter(
            help="`pause` or `unpause` a strategy; `claim` an order of other origin; `limits`: those of the "
            "configuration, tighter ones at once, and looser ones after `confirm`; `reconcile` an account with its "
            "venue now; `accept`: the same, and what differs is taken as the venue has it."
        ),
    ],
    value: Annotated[str, Parameter(help="The strategy's name, or the order: `INSTRUMENT VENUE_ID`.")] = "",
    *,
    config: Annotated[Path, Parameter(help="The configuration of the run.")],
    account: Annotated[str, Parameter(help="Which account, where there are several.")] = "",
    who: Annotated[str, Parameter(help="Your name: a person answers for it.")] = "",
    why: Annotated[str, Parameter(help="The reason. It is written to the journal.")] = "",
) -> None:
    """Tell a running engine what a person decides. Every word is journalled with who said it, and why.

    Exit codes: 0 it was taken; 1 nothing runs, or it was refused; 2 bad usage.

    Example: `tapeline operate pause GridMaker --config trade.toml --who Ann --why "the spread is wrong"`
    """
    loaded = load(config, os.environ)
    request: dict[str, Any] = {"account": account, "who": who, "why": why}
    if action in {"reconcile", "accept"}:
        request |= {"op": "reconcile", "accept": action == "accept"}
    else:
        if action == "limits":
            value = msgspec.json.encode(limits_of(loaded)).decode()
        request |= {"op": "operate", "action": action, "value": value}
    answer = ask(_socket(loaded.store.folder), request, WITHIN_S)
    sys.stdout.write("\n".join(_lines(action, answer)) + "\n")


def _socket(folder: Path | None) -> Path:
    if folder is None:
        raise ConfigError("no store: set [store] path in the configuration of the run")
    holder = read_lock(folder / "lock")
    if holder is None or not holder.alive or not holder.socket:
        raise ConnectionLost(f"no instance runs with the store {folder}")
    return Path(holder.socket)


def _lines(action: str, answer: dict[str, Any]) -> list[str]:
    if "asked" in answer:
        return [f"{action}: taken", *(f"  {each}" for each in answer.get("changes", ()))]
    lines = [f"compared, {answer['adjusted']} adjustments so far"]
    lines += [f"unexplained: {each}" for each in answer["unexplained"]]
    lines += [f"of other origin, left alone: {each}" for each in answer["foreign"]]
    return lines
