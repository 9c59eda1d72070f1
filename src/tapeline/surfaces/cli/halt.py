"""`tapeline halt`: stop trading, cancel what is open and close positions, though the engine hangs or is gone."""

import asyncio
import getpass
import os
import random
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tapeline.app.settings import reaches
from tapeline.clock import SystemClock
from tapeline.config import Config, load_for_a_stop
from tapeline.errors import ConfigError
from tapeline.trading.halt import COMPONENTS
from tapeline.watch.emergency import Emergency
from tapeline.watch.minimal import accounts_of, with_paper
from tapeline.watch.report import Report, stands, worst_of
from tapeline.wire.rest import real_fetch


def halt(
    *,
    config: Annotated[Path | None, Parameter(help="The configuration that names the accounts.")] = None,
    account: Annotated[str | None, Parameter(help="One account. Left out: all of the configuration.")] = None,
    flatten: Annotated[bool, Parameter(negative=(), help="Close every position as well.")] = False,
    reduce_only: Annotated[
        bool, Parameter(negative=(), help="Only keep positions from growing: nothing is cancelled.")
    ] = False,
    why: Annotated[str, Parameter(help="The reason, for the journal and for whoever resumes.")] = "",
    who: Annotated[str | None, Parameter(help="Your name. Left out: that of the user who runs this.")] = None,
) -> None:
    """Stop accounts: nothing but cancels passes from this moment, in every process that trades with them.

    Every open order of the account is cancelled at the venue, whoever placed it (those of other origin are named),
    positions are closed with `--flatten`, and both verified with fresh answers. It needs the configuration, the keys
    and the network; the engine is not asked, and may hang or be gone. `tapeline resume` takes it back.

    Exit codes: 0 done and verified; 1 something is open, held or not verified, or a gate could not be closed; 2 bad
    usage or configuration.

    Example: `tapeline halt --config trade.toml --flatten --why "the spread strategy runs wild"`
    """
    if flatten and reduce_only:
        raise ConfigError("--flatten or --reduce-only: which one is meant?")
    settings, fault = load_for_a_stop(config, os.environ)
    settings = with_paper(settings)
    if fault:
        sys.stderr.write(f"tapeline: {fault}\n")
    names = list(accounts_of(settings, account))
    name = who or getpass.getuser()
    if name.lower() in COMPONENTS:
        raise ConfigError(f"{name!r} is no person's name: give --who NAME")
    reports = asyncio.run(
        _halt(settings, names, flatten=flatten, reduce_only=reduce_only, who=name, why=why or "by hand")
    )
    for report in reports:
        sys.stdout.writelines(f"{line}\n" for line in report.lines(gate_only=reduce_only))
    paper = {report.account for report in reports if report.mode == "paper"}
    good = all(report.done or reduce_only or report.account in paper for report in reports)
    worst = worst_of(flatten=flatten, cancels=not reduce_only)
    sys.exit(0 if good and all(stands(report.state, worst) for report in reports) else 1)


async def _halt(
    settings: Config, names: list[str], *, flatten: bool, reduce_only: bool, who: str, why: str
) -> list[Report]:
    fetch, client = real_fetch(reaches=reaches(settings))
    try:
        emergency = Emergency(
            config=settings, fetch=fetch, clock=SystemClock(), environ=os.environ, chance=random.random,
            say=lambda line: sys.stderr.write(f"tapeline: {line}\n"),
        )  # fmt: skip
        if reduce_only:
            return emergency.gate(names, "reduce_only", who=who, why=why)
        return await emergency.stop(names, flatten=flatten, who=who, why=why)
    finally:
        await client.aclose()
