"""`tapeline coverage`: what is proven of a series, and by what."""

import sys
from typing import Annotated

import msgspec
from cyclopts import Parameter

from tapeline.errors import NotHeld
from tapeline.model.channel import channel as parse_channel
from tapeline.model.fact import Span
from tapeline.model.stamp import iso
from tapeline.store.reader import open_store
from tapeline.surfaces.options import OneInstrument, StoreFolder
from tapeline.surfaces.rows import write_rows

COLUMNS = ("from", "to", "state", "evidence", "source", "why")
FIELDS = ("from_ns", "to_ns", *COLUMNS[2:])


def coverage(
    instrument: OneInstrument,
    /,
    *,
    channel: Annotated[str, Parameter(help="The channel: trades, aggtrades, bars:1m, bars:1m@trades, quotes, ...")],
    store: StoreFolder,
    json: Annotated[bool, Parameter(help="As a JSON array, times in nanoseconds.", negative=())] = False,
) -> None:
    """Print what is known of a series: proven, repaired, unrecoverable or disputed, and the evidence.

    Spans are half-open, in order, and never overlap; of what no span speaks, nothing is known. What is missing is
    listed by `tapeline gaps`. Bars built from trades are covered as their trades are.

    Exit codes: 0 also where nothing is known, 2 for an unknown instrument.

    Example: `tapeline coverage binance:BTC/USDT --channel trades --store ./data --json`
    """
    of = str(parse_channel(channel))
    with open_store(store) as held:
        ledger = held.ledger
        try:
            held.coverage(instrument, of, 0, 0)
        except NotHeld as error:
            sys.stderr.write(f"tapeline: {error}\n")
        spans = [span for span in ledger.coverage(instrument, of).spans() if span.state != "missing"]
    if json:
        rows = [dict(zip(FIELDS, (span.from_ns, span.to_ns, *_rest(span)), strict=True)) for span in spans]
        sys.stdout.write(msgspec.json.encode(rows).decode() + "\n")
    else:
        write_rows(COLUMNS, ((iso(span.from_ns), iso(span.to_ns), *_rest(span)) for span in spans), "table")


def _rest(span: Span) -> tuple[str, str, str, str]:
    return span.state, span.evidence, span.source, span.why
