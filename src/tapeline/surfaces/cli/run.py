"""`tapeline run`: stream what a configuration asks for, into its store, until stopped."""

import os
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tapeline.app.running import run_config
from tapeline.config import load_with_origins
from tapeline.surfaces.log import configure_logging
from tapeline.surfaces.loop import a_while, run_until_signalled


def run(
    *,
    config: Annotated[Path, Parameter(help="The configuration file (TOML).")],
    for_: Annotated[
        float | None,
        Parameter(
            name="--for", validator=a_while, help="Stop after so many seconds, as by SIGTERM: drain, flush, exit 0."
        ),
    ] = None,
) -> None:
    """Stream what a configuration asks for into its store, until SIGINT or SIGTERM.

    Exit codes: 0 stopped cleanly, 1 the store cannot be used, or another instance writes it, or not every row could be
    written before the end, 2 the configuration is wrong, 3 every connection gave up and nothing can be polled.

    Example: `tapeline run --config tapeline.toml --for 60`
    """
    loaded = load_with_origins(config, os.environ)
    configure_logging(loaded.config.log)
    sys.exit(run_until_signalled(lambda stop: run_config(loaded.config, stop=stop, for_s=for_, origins=loaded.origins)))
