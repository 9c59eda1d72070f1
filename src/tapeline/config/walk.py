"""From a raw tree (what TOML and the environment gave) to a frozen typed one; every fault with its path. Pure.

msgspec converts the leaves; the walk is ours, because it names the nearest valid key and remembers where each value
comes from.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from tapeline.model.secret import Secret

T = TypeVar("T", bound=msgspec.Struct)
_WHERE = re.compile(r" - at `\$(?P<where>[^`]*)`$")

_WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}
_TYPE = re.compile(rf"`({'|'.join(_WORDS)})`")


@dataclass(frozen=True, slots=True)
class Given:
    """A leaf that came from elsewhere than the file. `text`: it is a string that stands for its type's value."""

    value: Any
    origin: str
    text: bool = False


@dataclass(slots=True)
class Findings:
    """What a walk found: faults, one a line, and where each value comes from (default, file, ...)."""

    faults: list[str] = field(default_factory=list)
    origins: dict[str, str] = field(default_factory=dict)


def decode(raw: Mapping[str, Any], kind: type[T]) -> tuple[T | None, Findings]:
    """The tree of this kind; None where anything is at fault."""
    walk = _Walk(kind)
    value = walk.table(raw, kind, "")
    return (None if walk.findings.faults else value), walk.findings


def settings_of(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """The keys of a table, each with its type."""
    return {field.encode_name: field.type for field in msgspec.structs.fields(kind)}


def bare(kind: Any) -> Any:
    """A type without its annotations and without `| None`."""
    if get_origin(kind) is Annotated:
        return bare(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        rest = [part for part in get_args(kind) if part is not type(None)]
        if len(rest) == 1:
            return bare(rest[0])
    return kind


def is_table(kind: Any) -> bool:
    """Whether this is a table of settings."""
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def table_within(kind: Any) -> tuple[str, type[msgspec.Struct]] | None:
    """("table" | "named" | "array", the table's struct) of a field that holds tables; None for a leaf."""
    kind = bare(kind)
    if is_table(kind):
        return "table", kind
    inner = [part for part in get_args(kind) if is_table(part)]
    if not inner:
        return None
    return ("array" if get_origin(kind) is tuple else "named"), inner[0]


class _Walk:
    def __init__(self, root: type[msgspec.Struct]) -> None:
        self.findings = Findings()
        self._everywhere: dict[str, list[str]] = {}
        for name, where in _paths(root):
            self._everywhere.setdefault(name, []).append(where)

    def table(self, raw: Any, kind: type[T], path: str, *, inherits: bool = False) -> T | None:
        """One table. `inherits`: what it leaves out comes from the level above it, and is no default."""
        if not isinstance(raw, Mapping):
            self._fault(path, f"expected a table, got {_kind_of(raw)}", raw)
            return None
        fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        before = len(self.findings.faults)
        meant = {self._unknown(raw[key], key, path, list(fields)) for key in raw if key not in fields}
        values = {}
        for name, each in fields.items():
            here = f"{path}.{name}" if path else name
            within = table_within(each.type)
            if name in raw:
                values[each.name] = self._value(raw[name], each.type, here)
            elif each.required:
                if name not in meant:
                    self._fault(path or name, f"{name} is missing", None)
            elif within is not None and within[0] == "table":
                values[each.name] = self.table({}, within[1], here)
            elif within is None and not inherits:
                self.findings.origins[here] = "default"
        return kind(**values) if len(self.findings.faults) == before else None

    def _value(self, raw: Any, kind: Any, path: str) -> Any:
        within = table_within(kind)
        if within is None:
            return self._leaf(raw, kind, path)
        form, inner = within
        if form == "table":
            return self.table(raw, inner, path)
        if form == "named":
            if not isinstance(raw, Mapping):
                self._fault(path, f"expected tables [{path}.NAME], got {_kind_of(raw)}", raw)
                return None
            tables = {name: self.table(each, inner, f"{path}.{name}", inherits=True) for name, each in raw.items()}
            return MappingProxyType(tables)
        if not isinstance(raw, list):
            self._fault(path, f"expected an array of tables, got {_kind_of(raw)}: write [[{path}]]", raw)
            return None
        return tuple(self.table(each, inner, f"{path}[{i}]", inherits=True) for i, each in enumerate(raw))

    def _leaf(self, raw: Any, kind: Any, path: str) -> Any:
        given = raw if isinstance(raw, Given) else Given(raw, "file")
        self.findings.origins[path] = given.origin
        value = given.value
        if given.text and get_origin(bare(kind)) is tuple:
            value = [part.strip() for part in value.split(",") if part.strip()]
        try:
            return msgspec.convert(value, kind, strict=not given.text, dec_hook=_hook)
        except msgspec.ValidationError as error:
            self._leaf_fault(path, kind, raw, str(error))
            return None

    def _leaf_fault(self, path: str, kind: Any, raw: Any, text: str) -> None:
        value = raw.value if isinstance(raw, Given) else raw
        options = get_args(bare(kind)) if get_origin(bare(kind)) is Literal else ()
        if options:
            near = nearest(str(value), options)
            self._fault(
                path, f"{value!r} is none of {', '.join(options)}{f', did you mean {near}?' if near else ''}", raw
            )
            return
        where = _WHERE.search(text)
        text = _TYPE.sub(lambda match: _WORDS[match[1]], _WHERE.sub("", text).replace(" | null", ""))
        self._fault(path + (where["where"] if where else ""), text[:1].lower() + text[1:].replace("`", ""), raw)

    def _unknown(self, raw: Any, key: str, path: str, known: list[str]) -> str:
        """Tell of a key that is none; returns the one that was probably meant."""
        here = f"{path}.{key}" if path else key
        near = nearest(key, known)
        if near:
            hint = f"did you mean {near}?"
        elif key in self._everywhere.get(key, ()):
            hint = f"{key} stands at the top of the file, before the first [table]"
        elif key in self._everywhere:
            hint = f"did you mean {' or '.join(self._everywhere[key])}?"
        else:
            hint = f"known here: {', '.join(known)}"
        self._fault(here, f"unknown key, {hint}", raw)
        return near

    def _fault(self, path: str, text: str, raw: Any) -> None:
        origin = next(_origins_in(raw), "")
        self.findings.faults.append(f"{path}: {text}" + (f" ({origin})" if origin else ""))


def nearest(word: str, words: Iterable[str], *, likeness: float = 0.6) -> str:
    """The one of these that was probably meant; "" where none is near. `likeness` is between 0 and 1, the same."""
    found = difflib.get_close_matches(word.lower(), list(words), n=1, cutoff=likeness)
    return found[0] if found else ""


def _paths(kind: type[msgspec.Struct], path: str = "") -> Iterator[tuple[str, str]]:
    """Each setting outside streams and venues, with its path."""
    for name, inner in settings_of(kind).items():
        here = f"{path}.{name}" if path else name
        within = table_within(inner)
        if within is None:
            yield name, here
        elif within[0] == "table":
            yield from _paths(within[1], here)


def _origins_in(raw: Any) -> Iterator[str]:
    if isinstance(raw, Given):
        yield raw.origin
    elif isinstance(raw, Mapping):
        for each in raw.values():
            yield from _origins_in(each)


def _kind_of(raw: Any) -> str:
    value = raw.value if isinstance(raw, Given) else raw
    names = {dict: "a table", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), type(value).__name__)


def _hook(kind: type, value: Any) -> Any:
    if kind is Secret:
        if not isinstance(value, str):
            raise ValueError(f"Expected `str`, got `{type(value).__name__}`")
        return Secret(value)
    raise NotImplementedError(f"no way to read a {kind.__name__} from configuration")
