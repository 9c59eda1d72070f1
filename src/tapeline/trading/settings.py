"""What strategies say, checked: their settings (public class attributes), exact numbers, words of their orders."""

from decimal import Decimal, InvalidOperation
from typing import Any

from msgspec.structs import replace

from tapeline.errors import ConfigError
from tapeline.model.order import Intent

WORDS = ("instrument", "side", "time_in_force", "position", "account")
FLAGS = ("post_only", "reduce_only")

Number = Decimal | int | str
"""Sizes and prices: exact, so never a float. Write `"0.1"` or `Decimal("0.1")`."""


def settings_of(kind: type) -> dict[str, Any]:
    """Name -> default of every setting of a strategy."""
    return {
        key: value
        for owner in reversed(kind.__mro__[:-1])
        for key, value in vars(owner).items()
        if not key.startswith("_") and not callable(value) and not isinstance(value, property | classmethod)
    }


def exact(value: Number | None) -> Decimal | None:
    """A size or a price as an exact number. Raises TypeError for a float, ValueError for what is no number."""
    if value is None or isinstance(value, Decimal):
        return value
    if isinstance(value, bool | float) or not isinstance(value, int | str):
        raise TypeError(f"{value!r}: sizes and prices are exact, write '{value}' or Decimal('{value}')")
    try:
        return Decimal(value)
    except InvalidOperation:
        raise ValueError(f"{value!r} is not a number") from None


def as_declared(default: Any, value: Any, where: str) -> Any:
    """A setting as its default is: text or a number as a Decimal, a list as a tuple."""
    if isinstance(default, Decimal):
        try:
            return Decimal(str(value))  # what a person wrote: a float of a file prints as it was written
        except InvalidOperation:
            raise ConfigError(f"{where}: {value!r} is not a number") from None
    if isinstance(default, tuple) and not isinstance(value, str):
        return tuple(value)
    if default is not None and isinstance(default, int | str) and not isinstance(value, type(default)):
        raise ConfigError(f"{where}: {value!r} is not {'text' if isinstance(default, str) else 'a whole number'}")
    return value


def worded(intent: Intent) -> Intent:
    """An order whose words can be written into the journal, and read again. Raises TypeError, or UnicodeError.

    What they say is judged later. A note may be anything: it is written as text.
    """
    for name in WORDS:
        word = getattr(intent, name)
        if not isinstance(word, str):
            raise TypeError(f"{name} {word!r}: this is text")
        word.encode()
    for name in FLAGS:
        if not isinstance(getattr(intent, name), bool):
            raise TypeError(f"{name} {getattr(intent, name)!r}: this is True or False")
    note = as_text(intent.note)
    return intent if note is intent.note else replace(intent, note=note)


def as_text(value: object) -> str:
    """Anything as text that can be written; None as none."""
    if isinstance(value, str) and value.isascii():
        return value
    return ("" if value is None else str(value)).encode("utf-8", "backslashreplace").decode()
