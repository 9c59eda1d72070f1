"""`tapeline trade`: strategies on live data, on paper or with real orders."""

import asyncio
import os
import sys
from collections.abc import Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from tapeline.app.trade.loading import with_settings
from tapeline.app.trade.setting_up import accounts_of, feeds_of, idle_limits, strategies_of
from tapeline.app.trade.trading import Trading, run_trading
from tapeline.config import Config, StrategyConfig, load
from tapeline.errors import ConfigError
from tapeline.model.limits import RiskLimits
from tapeline.surfaces.log import configure_logging
from tapeline.surfaces.loop import a_while, run_until_signalled


def trade(
    *,
    config: Annotated[Path, Parameter(help="The configuration file (TOML).")],
    paper: Annotated[bool, Parameter(negative=(), help="Live data, simulated fills.")] = False,
    live: Annotated[bool, Parameter(negative=(), help="Real orders, from the accounts with `mode = 'live'`.")] = False,
    confirm: Annotated[
        str, Parameter(help="With --live, instead of being asked: the names of the accounts, separated by commas.")
    ] = "",
    strategy: Annotated[
        tuple[str, ...],
        Parameter(negative=(), help="Run this instead of the [[strategy]] tables: module:Class or file.py:Class."),
    ] = (),
    set_: Annotated[
        tuple[str, ...], Parameter(name="--set", negative=(), help="A setting of the --strategy: name=value.")
    ] = (),
    record: Annotated[
        Path | None, Parameter(help="Record all that the strategies decide on into this folder, for `tapeline replay`.")
    ] = None,
    for_: Annotated[
        float | None, Parameter(name="--for", validator=a_while, help="Stop after so many seconds, as by SIGTERM.")
    ] = None,
) -> None:
    """Run strategies on live market data: `--paper` fills their orders in this process, `--live` sends them.

    A live run shows the accounts and the limits that hold, and begins once their names were typed (or given by
    `--confirm`). It compares every account with its venue first, and opens nothing before that is done.

    SIGINT and SIGTERM stop it: no new orders, open ones are cancelled (or kept, by `[trade] at_stop`) and that is
    verified and written into the journal. A restart goes on from the journal. `tapeline status` shows it. Each run
    with `--record` makes a folder of its own in the one given. A venue that does not answer at the start is asked
    again and again; a stop, or the end of `--for`, ends that too, and what the run before left open is said.

    Where its journal cannot be written, a live run sends nothing more, closes its accounts' gates, cancels what rests
    (or looks at it, by `[trade] at_stop`) without the journal, and says what is known and what to do.

    Exit codes: 0 stopped, and no order is open, 1 it is not certain of every order, or did not end in order, 2 the
    configuration or a strategy is wrong, or a live run was not confirmed.

    Example: `tapeline trade --paper --config tapeline.toml --strategy examples/ma_cross.py:MovingAverageCross`
    """
    if paper == live:
        raise ConfigError("say what orders are: --paper (simulated fills) or --live (real ones)")
    loaded = _asked(config, strategy, set_)
    if live:
        _confirmed(loaded, confirm, config.parent)
    configure_logging(loaded.log)
    runs: list[Trading] = []
    code = None

    def running(stop: asyncio.Event) -> Coroutine[Any, Any, int]:
        return run_trading(
            loaded, stop=stop, environ=os.environ, folder=config.parent, for_s=for_, told=partial(_begun, loaded),
            live=live, record=record, made=runs.append,
        )  # fmt: skip

    try:
        code = run_until_signalled(running)
    finally:
        if code is None:
            sys.stderr.writelines(f"{line}\n" for run in runs for line in run.last_words(str(config)))
    sys.exit(code)


def _asked(config: Path, named: Sequence[str], texts: Sequence[str]) -> Config:
    """The configuration with the strategies that are to run: those that are named, else its own. Raises ConfigError."""
    loaded = load(config, os.environ)
    if texts and not named:
        raise ConfigError("--set belongs to --strategy: write `settings` into the [[strategy]] table")
    given = tuple(with_settings(StrategyConfig(run=each), texts) for each in named)
    return msgspec.structs.replace(loaded, strategy=given) if given else loaded


def _confirmed(config: Config, given: str, folder: Path) -> None:
    """Show what is at stake and have it confirmed. Raises ConfigError where it is not."""
    strategies = strategies_of(config, folder)
    accounts = accounts_of(config, feeds_of(strategies), "live")
    for line in (*at_stake(config, list(accounts)), *idle_limits(config, accounts, [each.name for each in strategies])):
        sys.stdout.write(line + "\n")
    sys.stdout.flush()
    wanted = ",".join(accounts)
    if not given and sys.stdin.isatty():
        given = input(f"Real orders will be sent. Type {wanted} to go on: ")
    if given.replace(" ", "") != wanted:
        raise ConfigError(f"a live run has to be confirmed: type, or give --confirm {wanted}")


def at_stake(config: Config, accounts: Sequence[str]) -> list[str]:
    """What a live run may do: its accounts, where they are, and every limit that is set."""
    lines = []
    for name in accounts:
        account = config.account[name]
        net = "the test network of " if account.testnet else ""
        lines.append(f"account {name}: real orders at {net}{account.venue}")
    risk = config.risk
    tables = {"all": risk, **{f"{kind} {name}": each for kind in ("account", "strategy", "instrument", "venue")
              for name, each in getattr(risk, kind).items()}}  # fmt: skip
    for scope, table in tables.items():
        limits = {name: value for name in RiskLimits.__struct_fields__ if (value := getattr(table, name)) is not None}
        lines += [f"limit, {scope}: {name} = {value}" for name, value in limits.items()]
    if len(lines) == len(accounts):
        lines.append("limits: none are set; see [risk] in the configuration")
    return lines


def _begun(config: Config, run: Trading) -> None:
    names = ", ".join(run.engine.seats)
    accounts = ", ".join(run.setup.accounts)
    how = "live" if run.side.mode == "live" else "on paper"
    sys.stdout.write(f"trading {how}: {names}, with {accounts}\n")
    sys.stderr.writelines(f"warning: {each}\n" for each in idle_limits(config, run.setup.accounts, run.engine.seats))
    sys.stdout.flush()
