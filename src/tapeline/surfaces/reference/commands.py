"""The command reference: what `--help` says, of every command."""

import sys

from tapeline.surfaces.cli import resolved
from tapeline.surfaces.reference.markdown import page

EXIT_CODES = """## Exit codes

| code | means |
| --- | --- |
| 0 | done, also when nothing was found |
| 1 | something failed, or differs from what was expected |
| 2 | bad usage, bad configuration, or an unknown instrument |
| 3 | every connection gave up (`reconnect_attempts`) and nothing can be polled |

Where a command gives a code a narrower meaning, its own help says so."""


def commands() -> str:
    """The page."""
    before, sys.argv = sys.argv, ["tapeline"]  # the library puts the name of whoever generates the page into it
    try:
        generated = resolved().generate_docs(output_format="markdown", heading_level=1)
    finally:
        sys.argv = before
    _, _, rest = generated.partition("\n")
    return page("Commands", rest.rstrip(), EXIT_CODES)
