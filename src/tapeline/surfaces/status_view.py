"""A status object as text, whatever is in it: tables for lists of rows, lines for everything else. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

HEAD = ("state", "pid", "version", "started_at_ns", "written_at_ns")
COLUMNS = {  # of these sections, what fits a terminal, most telling first; others show all they have
    "connections": (
        "connection", "state", "topics", "age_s", "re_dials", "attempts", "breaker", "last_message_age_s", "ping_s",
        "score", "frames", "reason",
    ),
    "series": ("instrument", "channel", "events", "gaps", "duplicates", "last_age_s"),
    "modes": ("instrument", "channels", "mode", "uses", "switches", "why", "mode_from"),
    "outages": ("connection", "down_at_ns", "took_s", "reason", "final"),
    "books": ("instrument", "channel", "synchronised", "bid", "ask", "resyncs", "reason"),
    "checks": ("check", "subject", "state", "value", "limit", "text", "since_ns"),
    "orders": ("order", "instrument", "side", "kind", "state", "size", "price", "filled", "strategy", "where"),
    "accounts": ("account", "venue", "state", "equity", "currency", "positions", "balances"),
}  # fmt: skip
ROWS_MOST = 200
TEXT_MOST = 80
_BYTES_STEP = 1024


@dataclass(frozen=True, slots=True)
class Section:
    """A titled table; a section of plain facts has the columns "" and ""."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left_out: int = 0


def sections(status: Mapping[str, Any]) -> Iterator[Section]:
    """The status, cut into sections, the facts about the instance first. Empty ones are left out."""
    facts = {name: status[name] for name in HEAD if name in status}
    facts |= {name: value for name, value in status.items() if name not in HEAD and not _holds_more(value)}
    yield Section("instance", ("", ""), tuple((_heading(name), shown(name, value)) for name, value in facts.items()))
    for name, value in status.items():
        if not value or not _holds_more(value):
            continue
        if isinstance(value, Mapping):
            tables = {key: each for key, each in value.items() if _is_table(each)}
            facts = {key: each for key, each in value.items() if key not in tables}
            yield Section(_heading(name), ("", ""), tuple(_facts(facts)))
            yield from (_table(key, rows, f"{_heading(name)}: {_heading(key)}") for key, rows in tables.items())
        elif all(isinstance(row, Mapping) for row in value):
            yield _table(name, value)
        else:
            yield Section(_heading(name), ("", ""), tuple((str(i), shown(name, each)) for i, each in enumerate(value)))


def shown(name: str, value: Any) -> str:
    """One value for people; the unit is the last part of its name."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return _number(name, value)
    if isinstance(value, Mapping):
        value = ", ".join(f"{key} {shown(str(key), each)}" for key, each in value.items())
    elif isinstance(value, Sequence) and not isinstance(value, str):
        value = ", ".join(shown(name, each) for each in value)
    text = "".join(
        letter if letter.isprintable() else "?" for letter in str(value)
    )  # venues choose some of these words
    return text if len(text) <= TEXT_MOST else text[: TEXT_MOST - 3] + "..."


def plain(status: Mapping[str, Any]) -> Iterator[str]:
    """Lines for a pipe: `[section]`, then one line a row, `name=value` where it has columns."""
    for section in sections(status):
        yield f"[{section.title}]"
        for row in section.rows:
            if section.columns == ("", ""):
                yield f"{row[0]}: {row[1]}"
            else:
                yield " ".join(
                    f"{name.replace(' ', '_')}={cell}" for name, cell in zip(section.columns, row, strict=True)
                )
        if section.left_out:
            yield f"... and {section.left_out} more"


def age(seconds: float) -> str:
    """A duration for people: 0.4 s, 12 s, 3 min, 5 h, 2 days."""
    for step, unit in ((172_800.0, "days"), (7_200.0, "h"), (120.0, "min")):
        if abs(seconds) >= step:
            return f"{seconds / {'days': 86_400, 'h': 3_600, 'min': 60}[unit]:.0f} {unit}"
    return f"{seconds:.1f} s" if abs(seconds) < 10 else f"{seconds:.0f} s"


def _is_table(value: Any) -> bool:
    """A list of rows, which is a section of its own: on one line nobody could read it."""
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(row, Mapping) for row in value)


def _table(name: str, rows: Sequence[Mapping[str, Any]], title: str = "") -> Section:
    present = dict.fromkeys(key for row in rows for key in row if any(each.get(key) not in (None, "") for each in rows))
    wanted = [key for key in COLUMNS.get(name, tuple(present)) if key in present]
    cells = tuple(tuple(shown(key, row.get(key)) for key in wanted) for row in rows[:ROWS_MOST])
    headings = tuple(_heading(key) for key in wanted)
    return Section(title or _heading(name), headings, cells, max(0, len(rows) - ROWS_MOST))


def _facts(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _facts(value, f"{above}{_heading(str(key))} ")
        else:
            yield above + _heading(str(key)), shown(str(key), value)


def _holds_more(value: Any) -> bool:
    return isinstance(value, Mapping | list | tuple)


def _heading(name: str) -> str:
    if name.endswith("_per_s"):
        return name.replace("_", " ")
    for unit in ("_at_ns", "_ns", "_s", "_bytes"):
        name = name.removesuffix(unit)
    return name.replace("_", " ")


def _number(name: str, value: float) -> str:
    if name.endswith(("_at_ns", "since_ns")) or name in {"at_ns", "server_ns"}:
        return datetime.fromtimestamp(value // 10**9, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    if name.endswith("_ns"):
        return f"{value / 1e6:.3f} ms"
    if name.endswith("_s") and not name.endswith("_per_s"):
        return f"{value * 1000:.1f} ms" if 0 < abs(value) < 0.1 else age(value)
    if name.endswith("bytes"):
        return _size(value)
    if name == "pid":
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _size(value: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < _BYTES_STEP:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= _BYTES_STEP
    return f"{value:.1f} TiB"
