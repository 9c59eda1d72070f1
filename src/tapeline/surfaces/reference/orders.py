"""The order reference: states, how they follow each other, and why an order is refused, from the tables themselves."""

from tapeline.model.order import FINAL, REASONS, TRANSITIONS
from tapeline.surfaces.reference.markdown import code, page, table

INTRODUCTION = """
What an order is at any moment, and where it may go from there. The table is the one that the program runs on; what a
venue says against it changes no state, and is written to the journal as a note. What the states mean for limits and
restarts is told in [how orders live](../explanation/orders.md)."""

MEANINGS = {
    "intended": "written to the journal; nothing was sent. Also an order that waits with us for its price",
    "submitted": "the request left us",
    "open": "the venue acknowledged it, and nothing is filled",
    "partly_filled": "a fill came, or the venue told of one",
    "cancelling": "a cancel left us; only its own answer ends this",
    "unknown": "there was no certain answer: a timeout after sending, a lost connection, an error of the venue's own. "
    "It counts as alive until the venue says what became of it",
    "filled": "all of it is filled, by the venue's word",
    "cancelled": "it is cancelled; a part may be filled",
    "rejected": "the venue refused it",
    "expired": "its time was over, or what was left of it could not be filled at once",
    "withdrawn": "it was never sent, and will not be",
    "never_arrived": "it was sent and the venue says that it never had it",
}

WHY = {
    "balance": "too little is free of the currency that it spends",
    "margin": "too little margin",
    "min_size": "smaller than the venue takes",
    "max_size": "larger than the venue takes",
    "min_notional": "worth less than the venue takes",
    "tick": "the price is no whole number of ticks",
    "lot": "the size is no whole number of lots",
    "price_band": "the price is too far from the market",
    "would_cross": "post-only, and it would have taken",
    "would_trigger": "a stop that would have gone off at once",
    "reduce_only": "it would have opened or turned a position",
    "not_fillable": "fill-or-kill, and there was too little",
    "market_closed": "the market is halted, or not open yet",
    "permission": "the key may not trade this",
    "address": "the key is not allowed from this address",
    "duplicate": "its client id is taken: an earlier copy arrived",
    "unknown_order": "the venue knows no such order",
    "already_final": "it is over already",
    "too_many_orders": "too many are open, or came in too short a time",
    "unsupported": "the venue has no such kind of order",
    "instrument": "the venue has no such instrument",
    "position_mode": "it does not fit the account's position mode",
    "parameter": "a field that the venue does not take so",
    "other": "the venue's own words say why",
}


def orders() -> str:
    """The page."""
    states = table(
        ("state", "means", "may go to"),
        [
            (code(state), MEANINGS[state], ", ".join(code(each) for each in _in_order(to)) or "final")
            for state, to in _table()
        ],
    )
    reasons = table(("reason", "means"), [(code(reason), WHY[reason]) for reason in REASONS])
    return page(
        "Orders", INTRODUCTION, "## States", states, "## The same, drawn", _drawing(),
        "## Why an order is refused", "Every venue's own codes, and the paper exchange, come down to these.", reasons,
    )  # fmt: skip


def _table() -> list[tuple[str, frozenset[str]]]:
    """In our order: the table has none among the final states."""
    return [(state, TRANSITIONS[state]) for state in MEANINGS]


def _in_order(states: frozenset[str]) -> list[str]:
    return [state for state in MEANINGS if state in states]


def _drawing() -> str:
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> intended"]
    lines += [f"    {state} --> {each}" for state, to in _table() for each in _in_order(to)]
    lines += [f"    {state} --> [*]" for state in MEANINGS if state in FINAL]
    return "\n".join([*lines, "```"])
