"""`tapeline resume`: let accounts trade again, by a person's word and with a reason."""

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from tapeline.clock import SystemClock
from tapeline.config import load
from tapeline.store.latch import HaltLatch, refused
from tapeline.trading.halt import MEANS, Change
from tapeline.watch.memory import notes_into
from tapeline.watch.minimal import accounts_of, with_paper


def resume(
    *,
    who: Annotated[str, Parameter(help="Your name: a person answers for it.")],
    why: Annotated[str, Parameter(help="What was wrong, and why it is right again. It is written to the journal.")],
    config: Annotated[Path | None, Parameter(help="The configuration that names the accounts.")] = None,
    account: Annotated[str | None, Parameter(help="One account. Left out: all of the configuration.")] = None,
    to: Annotated[
        Literal["running", "reduce_only", "halted"], Parameter(help="How far: `reduce_only` closes positions only.")
    ] = "running",
) -> None:
    """Take back a halt. Every process that trades with the account sees it at once; nothing else does this, ever.

    Exit codes: 0 resumed, or not halted; 1 refused; 2 bad usage or configuration.

    Example: `tapeline resume --config trade.toml --who Ann --why "spread strategy fixed, positions checked"`
    """
    clock = SystemClock()
    settings = with_paper(load(config, os.environ, {}))
    for name, each in accounts_of(settings, account).items():
        found = refused(HaltLatch(name, each.mode, os.environ, clock).resume(to, who=who, why=why))
        if not isinstance(found, Change):
            sys.stdout.write(f"account {name} ({each.mode}): {found.text}\n")
            continue
        note = notes_into(
            settings.store.folder, name, clock.wall_ns, lambda text: sys.stderr.write(f"tapeline: {text}\n")
        )
        note("halt", f"{found.before} -> {found.state} by {found.who}: {found.why}")
        sys.stdout.write(f"account {name} ({each.mode}): {found.before} -> {found.state}, {MEANS[found.state]}\n")
