"""The command reference: what `--help` says, of every command."""

import sys

from tapeline.sim.faults import KINDS, Kind
from tapeline.surfaces.cli import resolved
from tapeline.surfaces.reference.markdown import code, page, table

EXIT_CODES = """## Exit codes

| code | means |
| --- | --- |
| 0 | done, also when nothing was found |
| 1 | something failed, or differs from what was expected |
| 2 | bad usage, bad configuration, or an unknown instrument |
| 3 | every connection gave up (`reconnect_attempts`) and nothing can be polled |

Where a command gives a code a narrower meaning, its own help says so."""


FAULTS = """## Faults

What `tapeline serve-venue --fault KIND@WHEN[+DURATION][:PARAM][/WHOSE]` breaks on purpose. WHEN is a time of the tape
(`2024-08-08T23:56:30Z`), or counts from its start (`+90s`); a duration has a unit (`500ms`, `20s`, `5m`, `1h`). WHOSE
says which connections it strikes: a number (the oldest is 1), a channel they carry, or `all`; such a connection ends
alone, and the market goes on. `random:SEED[:PER_HOUR]` draws faults of streams and of REST by chance, the same ones
each time, 60 an hour where nothing is said."""


def commands() -> str:
    """The page."""
    before, sys.argv = sys.argv, ["tapeline"]  # the library puts the name of whoever generates the page into it
    try:
        generated = resolved().generate_docs(output_format="markdown", heading_level=1)
    finally:
        sys.argv = before
    _, _, rest = generated.partition("\n")
    faults = table(("KIND", "DURATION", "PARAM", "what happens"), (_fault(name, kind) for name, kind in KINDS.items()))
    return page("Commands", rest.rstrip(), EXIT_CODES, FAULTS, faults)


def _fault(name: str, kind: Kind) -> tuple[str, str, str, str]:
    """A row: what a fault does, and what holds where nothing is said."""
    param = f"{kind.param}, `{kind.default}`" if kind.default else kind.param
    return code(name), f"{kind.duration_s:g} s" if kind.duration_s else "", param, kind.about
