"""`tapeline demo`: the main job on simulated venues, with a cut on purpose, and a summary of what happened."""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tapeline.config import LogConfig
from tapeline.errors import ConfigError
from tapeline.surfaces.demo import Demo
from tapeline.surfaces.log import configure_logging
from tapeline.surfaces.loop import run_until_signalled

SHORTEST_S, LONGEST_S = 5.0, 86_400.0


def demo(
    *,
    seconds: Annotated[float, Parameter(help="How long to stream.")] = 20.0,
    seed: Annotated[int, Parameter(help="Seed of the synthetic markets.")] = 1,
    keep: Annotated[bool, Parameter(negative=(), help="Keep the store; else it goes at the end.")] = False,
) -> None:
    """Run everything once, without keys and without reaching any venue.

    Simulated Binance and OKX on loopback ports stream trades, quotes, bars and books in their own formats; a store
    keeps them; one connection is cut on purpose. The summary says what came, what was missing, and how fast it was.

    Example: `tapeline demo --seconds 20 --seed 1 --keep`
    """
    if not SHORTEST_S <= seconds <= LONGEST_S:
        raise ConfigError(f"--seconds {seconds:g}: the demo needs at least {SHORTEST_S:g}, and {LONGEST_S:g} at most")
    folder = Path(tempfile.mkdtemp(prefix="tapeline-demo-"))
    configure_logging(LogConfig(file=str(folder / "demo.log")))
    try:
        run_until_signalled(lambda stop: Demo(folder, seconds=seconds, seed=seed, keep=keep).run(stop))
    finally:
        if not keep:
            shutil.rmtree(folder)
    sys.stdout.flush()
