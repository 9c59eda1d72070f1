"""A venue that adds or drops a field, noticed from samples of its frames: every field once. Pure.

Nothing has to be declared: what a kind of message looks like is learned from its first samples.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

LEARNING = 30  # samples of a kind before a difference means anything
DEEPEST = 4
MOST_KINDS, MOST_FIELDS = 200, 400

_decode = msgspec.json.Decoder().decode


class _Shape:
    __slots__ = ("always", "ever", "samples", "told")

    def __init__(self, fields: frozenset[str]) -> None:
        self.ever = set(fields)
        self.always = set(fields)
        self.samples = 1
        self.told: set[str] = set()


class Drift:
    """The fields that each kind of message has always had, and ever had."""

    def __init__(self) -> None:
        self._shapes: dict[str, _Shape] = {}

    def look(self, kind: str, frame: bytes) -> list[str]:
        """Compare a sample with what is known of its kind; returns differences in words, each of them once."""
        try:
            fields = frozenset(_fields(_decode(frame), "", DEEPEST))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return []  # the decoder has its own say about such frames
        shape = self._shapes.get(kind)
        if shape is None:
            if len(self._shapes) < MOST_KINDS:
                self._shapes[kind] = _Shape(fields)
            return []
        shape.samples += 1
        if shape.samples <= LEARNING:
            if len(shape.ever) < MOST_FIELDS:
                shape.ever |= fields
            shape.always &= fields
            return []
        new = fields - shape.ever - shape.told
        gone = shape.always - fields - shape.told
        shape.told |= new | gone
        said = [f"{kind}: new field {path}" for path in sorted(new)]
        return said + [f"{kind}: field {path} is gone" for path in sorted(gone)]


def _fields(value: Any, path: str, depth: int) -> Iterator[str]:
    """Paths of an object's fields; of a list, those of its first element, whatever number of them there is."""
    if isinstance(value, dict) and depth:
        for name, inner in value.items():
            yield f"{path}{name}"
            yield from _fields(inner, f"{path}{name}.", depth - 1)
    elif isinstance(value, list) and value and depth:
        yield from _fields(value[0], f"{path}[].", depth - 1)
