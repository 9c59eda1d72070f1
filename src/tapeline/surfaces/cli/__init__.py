"""The command line: one module a command, imported when it is called, so that `--help` is quick.

Exit codes: 0 done (also when nothing was found), 1 something failed or differs, 2 bad usage, bad configuration or an
unknown instrument, 3 every connection gave up; `verify` also 4 for a mismatch and 5 for what could not be compared.
"""

import sqlite3
import sys
from collections.abc import Sequence

from cyclopts import App

from tapeline.errors import ConfigError, NotHeld, TapelineError, UnknownInstrument
from tapeline.store.trouble import is_outside, said

app = App(name="tapeline", help="Market data you can prove: live streams, exact bars, sound books, known gaps.")

# name -> "module:function"; cyclopts imports the module when the command is called.
COMMANDS: dict[str, str] = {
    "demo": "demo:demo",
    "run": "run:run",
    "serve-venue": "serve_venue:serve_venue",
    "trade": "trade:trade",
    "backtest": "backtest:backtest",
    "divergence": "divergence:divergence",
    "replay": "replay:replay",
    "bars": "bars:bars",
    "trades": "trades:trades",
    "coverage": "coverage:coverage",
    "gaps": "gaps:gaps",
    "verify": "verify:verify",
    "quality": "quality:quality",
    "record": "record:record",
    "check-config": "check_config:check_config",
    "status": "status:status",
    "websocket": "websocket:websocket",
    "venues": "venues:venues",
    "backfill": "backfill:backfill",
    "build-bars": "build_bars:build_bars",
    "decode": "decode:decode",
    "export": "export:export",
    "import": "importing:import_",
    "compact": "compact:compact",
    "journal": "journal:journal",
    "halt": "halt:halt",
    "health": "health:health",
    "operate": "operate:operate",
    "resume": "resume:resume",
    "watchdog": "watchdog:watchdog",
}

for _name, _target in COMMANDS.items():
    app.command(f"tapeline.surfaces.cli.{_target}", name=_name)


def resolved() -> App:
    """The command line with every command imported, so that lists of them say what each does."""
    for name in COMMANDS:
        app[name]
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line (`arguments` instead of the process's own); our errors become a line and an exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] in ([], ["--help"], ["-h"]):
        resolved()
    try:
        app(given)
    except (ConfigError, UnknownInstrument, NotHeld) as error:
        sys.stderr.write(f"tapeline: {error}\n")
        sys.exit(2)
    except TapelineError as error:
        sys.stderr.write(f"tapeline: {error}\n")
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(0)
    except (OSError, sqlite3.DatabaseError) as error:
        if not is_outside(error):
            raise
        sys.stderr.write(f"tapeline: {said(error, _option(given, '--store'))}\n")
        sys.exit(1)


def _option(given: Sequence[str], name: str) -> str:
    """The value of an option as it was given; "" where it was not."""
    for at, word in enumerate(given):
        if word == name:
            return "".join(given[at + 1 : at + 2])
        if word.startswith(f"{name}="):
            return word.removeprefix(f"{name}=")
    return ""
