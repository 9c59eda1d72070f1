"""TAPELINE_* variables laid over a raw tree: `TAPELINE_STORE__PATH`, `TAPELINE_STREAM__0__SYMBOLS`. Reads `*_FILE`s."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from tapeline.config.tree import Config
from tapeline.config.walk import Given, nearest, settings_of, table_within
from tapeline.errors import ConfigError

PREFIX = "TAPELINE_"
FILE_SUFFIX = "_FILE"


def overlay(raw: dict[str, Any], environ: Mapping[str, str]) -> None:
    """Lay the environment's settings over the tree. Empty variables count as not set. Raises ConfigError.

    A name of one part that is no setting (and not nearly one) is another program's, and is left alone. One that is
    a setting but for its single underscores is refused: a limit that one believes to be in force would not be.
    """
    for name in sorted(environ):
        if not name.startswith(PREFIX) or not environ[name]:
            continue
        rest = name.removeprefix(PREFIX).lower()
        meant = _parted(rest, Config) or _parted(rest.removesuffix(FILE_SUFFIX.lower()), Config)
        if "__" in meant and "__" not in name:
            raise ConfigError(
                f"environment {name}: unknown, did you mean {PREFIX}{meant.upper()}? Two underscores join the parts"
            )
        if _ours(name):
            setting, value = _read(name, environ)
            parts = setting.removeprefix(PREFIX).lower().split("__")
            put(raw, parts, Given(value, f"environment {name}", text=True))


def put(raw: dict[str, Any], parts: list[str], given: Given) -> None:
    """Set one value in the tree, making the tables on the way. Raises ConfigError on a path that is none."""
    node: Any = raw
    for depth, part in enumerate(parts[:-1]):
        node = _step(node, part, parts[:depth], given)
    if not isinstance(node, dict):
        raise ConfigError(f"{given.origin}: {_dotted(parts[:-1])} is no table")
    node[parts[-1]] = given


def _step(node: Any, part: str, above: list[str], given: Given) -> Any:
    if isinstance(node, list):
        if not part.isdecimal() or int(part) > len(node):
            raise ConfigError(
                f"{given.origin}: {_dotted(above)} has {len(node)} tables, counted from 0, and {part!r} is none of them"
            )
        if int(part) == len(node):
            node.append({})
        return node[int(part)]
    if not isinstance(node, dict):
        raise ConfigError(f"{given.origin}: {_dotted(above)} is no table")
    if above and _form(above[0]) == "named":
        part = _name_in(node, part)
    return node.setdefault(part, [] if not above and _form(part) == "array" else {})


def _name_in(tables: dict[str, Any], part: str) -> str:
    """Variables have neither hyphens nor case: the table that is there, else the name with hyphens."""
    same = [name for name in tables if name.lower().replace("-", "_") == part]
    return same[0] if same else part.replace("_", "-")


def _form(setting: str) -> str:
    kind = settings_of(Config).get(setting)
    within = table_within(kind) if kind is not None else None
    return within[0] if within is not None else ""


def _ours(name: str) -> bool:
    rest = name.removeprefix(PREFIX).lower()
    if "__" in rest:
        return True
    known = settings_of(Config)
    return rest.removesuffix(FILE_SUFFIX.lower()) in known or bool(nearest(rest, known, likeness=0.8))


def _parted(rest: str, kind: type[msgspec.Struct]) -> str:
    """A name whose parts one underscore joins, with two between them; "" where that is no setting of this table."""
    for key, each in settings_of(kind).items():
        within, tail = table_within(each), rest.removeprefix(f"{key}_")
        if within is None:
            if rest == key:
                return key
        elif tail != rest and within[0] == "table":
            found = _parted(tail, within[1])
            if found:
                return f"{key}__{found}"
        elif tail != rest:
            for end in (place for place, letter in enumerate(tail) if letter == "_"):
                found = _parted(tail[end + 1 :], within[1])
                if found:
                    return f"{key}__{tail[:end]}__{found}"
    return ""


def _read(name: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """The setting's own name, and its value: of the variable, or of the file that a `*_FILE` names."""
    if not name.endswith(FILE_SUFFIX) or name.endswith("_" + FILE_SUFFIX):
        return name, environ[name]
    setting = name.removesuffix(FILE_SUFFIX)
    if environ.get(setting):
        raise ConfigError(f"environment {name} and {setting} are both set: which one is meant?")
    try:
        return setting, Path(environ[name]).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"environment {name}: cannot read {environ[name]}: {error}") from error


def _dotted(parts: list[str]) -> str:
    return ".".join(parts) or "the configuration"
