"""The configuration reference: every setting with its type, default, unit and meaning, from the tree itself."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from inspect import cleandoc
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from tapeline.config import (
    AccountConfig,
    Config,
    ConnectionConfig,
    ConnectionOverrides,
    StrategyConfig,
    StreamConfig,
    VenueConfig,
)
from tapeline.config.walk import bare, table_within
from tapeline.model.limits import RiskLimits
from tapeline.model.number import plain
from tapeline.model.secret import Secret
from tapeline.surfaces.reference.markdown import code, page, table

INTRODUCTION = """
Tapeline reads a TOML file, then the environment, then the command line; the later one wins. Every value is checked
before anything starts: an unknown key is an error that names the nearest valid one, and all faults are told at once.
`tapeline check-config --config FILE --show` prints every value in force and where it comes from.

```toml
[store]
path = "data/store"

[[stream]]
venue = "binance"
symbols = ["BTC/USDT", "ETH/USDT"]
channels = ["trades", "quotes", "bars:1m@trades"]
```

## Environment

`TAPELINE_` and the path in capitals, its parts joined by two underscores: `TAPELINE_STORE__PATH`,
`TAPELINE_CONNECTION__SILENCE_S`; with one, it is refused. Streams are counted from 0: `TAPELINE_STREAM__0__SYMBOLS`.
A venue's hyphens become underscores: `TAPELINE_VENUE__BINANCE_USDM__ACK_S`. Lists are separated by commas, truth is
`true` or `false`, an empty variable counts as not set. With `_FILE` behind its name a variable names a file that holds
the value (`TAPELINE_VENUE__OKX__WS_URL_FILE=/run/secrets/okx_url`), as containers and `systemd` hand over secrets. A
setting that is a secret is printed as `***`, and addresses are printed without user, password and query."""

OVERRIDES = """Which connection settings hold for a stream: the default, then `[connection]`, then `[venue.NAME]`, then
`[[stream]]`, the nearest that says something. `[venue.NAME]` and `[[stream]]` take every key of `[connection]`."""

_TYPES = {
    str: "text",
    Decimal: "exact number",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Secret: "text, never shown",
}
_BOUNDS = {"gt": "over", "ge": "at least", "le": "at most"}
_SHOWN = ("description", *_BOUNDS)
SENSELESS = 10**6  # bounds from here on only keep out what nobody means
_UNITS = {"_s": "seconds", "_mb": "MiB", "_bytes": "bytes"}


def configuration() -> str:
    """The page."""
    inherited = set(ConnectionConfig.__struct_fields__)
    parts = [INTRODUCTION, "## Top level", _settings(Config, "")]
    for name, kind in _tables():
        parts += [f"## [{name}]", _doc(kind)]
        parts += [OVERRIDES] if name == "connection" else []
        parts += [_settings(kind, name)]
    parts += ["## [venue.NAME]", _doc(VenueConfig), "Besides every key of `[connection]`:"]
    parts += [_settings(VenueConfig, "venue.NAME", leave_out=inherited)]
    parts += ["## [account.NAME]", _doc(AccountConfig), _settings(AccountConfig, "account.NAME")]
    parts += ["## [risk.account.NAME], [risk.strategy.NAME], [risk.instrument.NAME], [risk.venue.NAME]"]
    parts += [_doc(RiskLimits), _settings(RiskLimits, "risk.KIND.NAME")]
    parts += ["## [[strategy]]", _doc(StrategyConfig), _settings(StrategyConfig, "strategy[N]")]
    parts += ["## [[stream]]", _doc(StreamConfig), "Besides every key of `[connection]`:"]
    parts += [_settings(StreamConfig, "stream[N]", leave_out=inherited)]
    return page("Configuration", *parts)


def _tables() -> Iterator[tuple[str, type[msgspec.Struct]]]:
    for field in msgspec.structs.fields(Config):
        within = table_within(field.type)
        if within is not None and within[0] == "table":
            yield field.name, within[1]


def _settings(kind: type[msgspec.Struct], path: str, *, leave_out: set[str] | None = None) -> str:
    # The keys of [connection] are described once, where they can be left out as well.
    described = ConnectionOverrides if kind is ConnectionConfig else kind
    meanings = {field.name: _meta(field.type) for field in msgspec.structs.fields(described)}
    rows = []
    for field in msgspec.structs.fields(kind):
        if table_within(field.type) is not None or field.name in (leave_out or set()):
            continue
        meta = _meta(field.type) | meanings[field.name]
        rows.append(
            (code(field.name), _kind(field.type), _default(field), _unit(field.name, meta), meta.get("description", ""))
        )
    return table((f"{path} setting".strip(), "type", "default", "unit", "meaning"), rows)


def _meta(kind: Any) -> dict[str, Any]:
    """The description, bounds and extras that lie around and inside a type."""
    found: dict[str, Any] = {}
    if get_origin(kind) is Annotated:
        inner, *metas = get_args(kind)
        found |= _meta(inner)
        for meta in metas:
            found |= {name: each for name in _SHOWN if (each := getattr(meta, name)) is not None}
            found |= meta.extra or {}
    elif get_origin(kind) in (Union, UnionType):
        for part in get_args(kind):
            found |= _meta(part)
    return found


def _kind(kind: Any) -> str:
    meta, inner = _meta(kind), bare(kind)
    if get_origin(inner) is Literal:
        return " or ".join(code(str(option)) for option in get_args(inner))
    if get_origin(inner) is tuple:
        return "list of text"
    if get_origin(inner) is Mapping:
        return "table"
    bounds = [f"{sign} {meta[name]:g}" for name, sign in _BOUNDS.items() if meta.get(name, SENSELESS) < SENSELESS]
    return ", ".join([_TYPES[inner], *bounds])


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "must be given"
    if isinstance(field.default, NoneType):
        return "left out"
    if isinstance(field.default, Decimal):
        return code(plain(field.default))
    if isinstance(field.default, Mapping):
        return code("{" + ", ".join(f"{name} = {plain(each)}" for name, each in field.default.items()) + "}")
    return code(msgspec.json.encode(field.default).decode())


def _unit(name: str, meta: Mapping[str, Any]) -> str:
    if "unit" in meta:
        return str(meta["unit"])
    return next((unit for suffix, unit in _UNITS.items() if name.endswith(suffix)), "")


def _doc(kind: type[msgspec.Struct]) -> str:
    return cleandoc(kind.__doc__ or "")
