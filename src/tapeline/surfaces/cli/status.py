"""`tapeline status`: how an instance is doing, from its own mouth or from its last word."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tapeline.clock import SystemClock
from tapeline.control import Holder, ask, read_lock, read_status
from tapeline.errors import TapelineError
from tapeline.surfaces.options import StoreOrConfigured, WhoseStore, configured, store_of
from tapeline.surfaces.status_view import age, plain, sections

WITHIN_S = 1.0
NEVER_RUN = {"state": "never_run"}


def status(
    *,
    store: StoreOrConfigured = None,
    config: WhoseStore = None,
    json: Annotated[bool, Parameter(negative=(), help="Print the status object as JSON, as it is.")] = False,
) -> None:
    """Show how the instance that writes a store is doing: connections, series, gaps, outages, books, problems.

    A running instance is asked. Where it does not answer within a second, or runs no more, its last word is read from
    `status.json`, and a line on standard error says how old that is. A store that nothing has run with gives the state
    `never_run`, an instance that was killed `gone`.

    Exit codes: 0 there is a status, or nothing has run yet; 1 `status.json` cannot be read; 2 bad usage.

    Example: `tapeline status --store data/store --json`
    """
    found, notes = find_status(store_of(configured(config, store)), SystemClock().wall_ns())
    sys.stderr.writelines(f"tapeline: {note}\n" for note in notes)
    say(found, json=json)


def find_status(folder: Path, now_ns: int) -> tuple[Mapping[str, Any], list[str]]:
    """The status of the instance that writes this store, and what is to be said of where it comes from."""
    holder = read_lock(folder / "lock")
    notes = []
    if holder is not None and holder.socket and holder.alive:
        try:
            answer = ask(Path(holder.socket), {"op": "status"}, WITHIN_S)
        except TapelineError as error:
            notes.append(f"process {holder.pid} does not answer: {error}")
        else:
            return answer, []
    last = read_status(folder / "status.json", now_ns)
    if last is None:
        return NEVER_RUN, [*notes, f"nothing has run with the store {folder} yet: there is no status.json in it"]
    found, ending = _ending(last.status, holder)
    return found, [*notes, f"{ending}; this is its last word, {age(last.age_s)} old"]


def _ending(last: Mapping[str, Any], holder: Holder | None) -> tuple[Mapping[str, Any], str]:
    """The last word, with the state that it could not know of itself; and what became of who said it."""
    who = f"process {last.get('pid', 'unknown')}"
    if last.get("state") == "stopped":
        return last, f"{who} has stopped"
    if holder is not None and holder.pid == last.get("pid") and holder.alive:
        return last, f"{who} is there, and could not be asked"
    return {**last, "state": "gone"}, f"{who} is gone without having stopped"


def say(status: Mapping[str, Any], *, json: bool) -> None:
    """Print it: as JSON, as tables on a terminal, or as plain lines."""
    if json:
        sys.stdout.write(msgspec.json.encode(status).decode() + "\n")
    elif sys.stdout.isatty():
        show(status, Console())
    else:
        sys.stdout.writelines(f"{line}\n" for line in plain(status))


def show(status: Mapping[str, Any], console: Console) -> None:
    """Tables on a terminal."""
    for section in sections(status):
        facts = section.columns == ("", "")
        table = Table(title=section.title, title_justify="left", box=None if facts else box.SIMPLE_HEAD)
        table.show_header = not facts
        for name in section.columns:
            table.add_column(name)
        for row in section.rows:
            table.add_row(*map(Text, row))  # Text, so that no word of a venue's is taken for markup
        console.print(table)
        if section.left_out:
            console.print(f"... and {section.left_out} more", markup=False)
