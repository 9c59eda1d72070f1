"""`tapeline trade`: strategies on live data, on paper."""

import os
import sys
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from tapeline.app.trade.loading import with_settings
from tapeline.app.trade.trading import Trading, run_trading
from tapeline.config import StrategyConfig, load
from tapeline.errors import ConfigError
from tapeline.surfaces.log import configure_logging
from tapeline.surfaces.loop import run_until_signalled


def trade(
    *,
    config: Annotated[Path, Parameter(help="The configuration file (TOML).")],
    paper: Annotated[bool, Parameter(negative=(), help="Live data, simulated fills.")] = False,
    strategy: Annotated[
        tuple[str, ...],
        Parameter(negative=(), help="Run this instead of the [[strategy]] tables: module:Class or file.py:Class."),
    ] = (),
    set_: Annotated[
        tuple[str, ...], Parameter(name="--set", negative=(), help="A setting of the --strategy: name=value.")
    ] = (),
    for_: Annotated[float | None, Parameter(name="--for", help="Stop after so many seconds, as by SIGTERM.")] = None,
) -> None:
    """Run strategies on live market data, their orders filled by a paper exchange in this process.

    SIGINT and SIGTERM stop it: no new orders, open ones are cancelled (or kept, by `[trade] at_stop`) and that is
    verified and written into the journal. A restart goes on from the journal. `tapeline status` shows it.

    Exit codes: 0 stopped, and no order is open, 1 it is not certain of every order, 2 the configuration or a strategy
    is wrong.

    Example: `tapeline trade --paper --config tapeline.toml --strategy examples/ma_cross.py:MovingAverageCross`
    """
    if not paper:
        raise ConfigError("say what orders are: --paper (simulated fills)")
    loaded = load(config, os.environ)
    if strategy:
        given = tuple(with_settings(StrategyConfig(run=each), set_) for each in strategy)
        loaded = msgspec.structs.replace(loaded, strategy=given)
    elif set_:
        raise ConfigError("--set belongs to --strategy: write `settings` into the [[strategy]] table")
    configure_logging(loaded.log)
    code = run_until_signalled(
        lambda stop: run_trading(loaded, stop=stop, environ=os.environ, folder=config.parent, for_s=for_, told=_begun)
    )
    sys.exit(code)


def _begun(run: Trading) -> None:
    names = ", ".join(run.engine.seats)
    accounts = ", ".join(run.setup.accounts)
    sys.stdout.write(f"trading on paper: {names}, with {accounts}\n")
    sys.stdout.flush()
