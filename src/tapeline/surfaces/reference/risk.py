"""The reference of risk: every limit, every refusal, the ladder of the halt and every health check, from the code."""

from typing import Any

import msgspec

from tapeline.config.risk import RiskConfig
from tapeline.model.limits import TIGHTER, RiskLimits
from tapeline.model.number import plain
from tapeline.surfaces.reference.markdown import code, page, table
from tapeline.trading.halt import COMPONENTS, MEANS, STATES
from tapeline.trading.risk.check import CODES
from tapeline.watch.monitor import REMEDY

INTRODUCTION = """
Every order passes `check` before it is journalled: it comes back approved, or denied with the name of the limit, the
limit, the figure it would have become and a sentence. Only what was approved can be sent. Limits stand in `[risk]` for
every account by itself, and in `[risk.account.NAME]`, `[risk.strategy.NAME]`, `[risk.instrument."venue:SYMBOL"]` and
`[risk.venue.NAME]` beside it. All that concern an order hold at once: the strictest wins. How it all hangs together:
[risk explained](../explanation/risk.md).

Values are in the currency that accounts are valued in (`[trade] currency`), sizes in the instrument's own unit.
"""
EACH = "They hold for every order, also for one that closes a position: such an order can be sent in parts."
WORST = """Measured at the worst: an order that is not certainly over counts as filled on the side that hurts, unknown
ones and those being cancelled included. An order that does not make the figure larger passes, however large it is."""
PACE = "They hold for every order. An emergency stop is not counted."
LOSSES = """What closes a position passes. They outlive a restart. An account of unknown worth has lost too much.
The share of a strategy's drawdown is of its account's best equity."""
LADDER = """Latched per account and mode (paper, live) in the user's state directory, for every process at once, over
restarts. Anybody may ask for a worse state; only a named person, with a reason, for a better one."""
GROUPS = (
    (
        "One order", EACH,
        "price_band price_distance max_order_value max_order_size fat_finger_times refuse_self_trade duplicate_s",
    ),
    ("Exposure", WORST, "max_position max_position_value max_gross max_net max_leverage max_margin_share"),
    ("Pace", PACE, "max_open_orders max_orders_per_second max_orders_per_minute max_cancels_per_minute"),
    ("Losses", LOSSES, "max_daily_loss max_drawdown max_drawdown_share max_daily_fees"),
    (
        "Data", "What closes a position passes.",
        "max_data_age_s require_synchronised wait_after_repair_s max_clock_offset_s",
    ),
)  # fmt: skip
REFUSALS = {
    "halted": "the account is halted, being flattened, or flat after that: nothing but cancels passes",
    "reduce_only": "the account is reduce-only: only what closes a position passes",
    "instrument": "nothing is known of the instrument",
    "market_closed": "the venue does not trade it now; of what is delisted only what closes a position passes",
    "parameter": "a word, a number or a combination that no venue takes",
    "tick": "the price is between two ticks",
    "lot": "the size is between two lots",
    "min_size": "smaller than the venue takes",
    "min_notional": "worth less than the venue takes",
    "no_price": "there is no price to value it by, or to value by what is held",
    "no_rate": "its currency cannot be turned into the one accounts are valued in",
    "balance": "a spot order that takes more than is free",
    "position_mode": "a net order in hedge mode, or the other way round",
    "no_figures": "there are limits of this scope and nothing says how it stands: our fault, so nothing passes",
}
assert REFUSALS.keys() == set(CODES), "every code has a meaning"


def risk() -> str:
    """The page."""
    parts = [INTRODUCTION]
    fields = {field.name: field for field in msgspec.structs.fields(RiskLimits)}
    defaults = RiskConfig()
    for title, text, names in GROUPS:
        rows = [
            (code(name), *_meta(fields[name].type), _text(getattr(defaults, name)), _tighter(name))
            for name in names.split()
        ]
        parts += [f"## {title}", text, table(("limit", "meaning", "unit", "default of [risk]", "tighter is"), rows)]
    parts += ["## Other refusals", table(("code", "means"), ((code(name), REFUSALS[name]) for name in CODES))]
    parts += ["## The ladder of the halt", _ladder()]
    parts += [
        "## Health checks",
        "Thresholds and what each asks for: `[watch]` of the [configuration](configuration.md).",
        table(("check", "what to do"), ((code(name), todo) for name, todo in REMEDY.items())),
    ]
    return page("Risk, halt and health", *parts)


def _ladder() -> str:
    rows = [(code(state), MEANS[state]) for state in STATES]
    names = ", ".join(code(name) for name in sorted(COMPONENTS))
    persons = f"These are no persons, and never resume: {names}."
    return "\n\n".join((LADDER, table(("state", "means"), rows), persons))


def _meta(kind: Any) -> tuple[str, str]:
    meta = kind.__metadata__[0]
    return meta.description, str(meta.extra["unit"])


def _text(value: Any) -> str:
    if value is None:
        return "no limit"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float | int) else plain(value)


def _tighter(name: str) -> str:
    return "less" if TIGHTER[name] == "less" else "more"
