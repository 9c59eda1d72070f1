"""Names of our orders: unique for ever, recognisable as ours, and taken by every venue. Pure."""

import re

from tapeline.errors import ConfigError

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
PREFIX = "t"
COUNTER = 7  # digits: 78 thousand million orders
LONGEST = 32
LONGEST_INSTANCE = 8
_SLICE = re.compile(r"f[0-9a-f]{8,}n\d+")


class ClientIds:
    """Ids of one instance: `t`, the length of its name, its name, a counter, and the strategy's letters.

    The counter stands where the journal left it (`used`), so an id is never given twice; one that was given and never
    journalled was never sent. Raises ConfigError for a name that is not 1 to 8 small letters and digits.
    """

    def __init__(self, instance: str) -> None:
        if not 1 <= len(instance) <= LONGEST_INSTANCE or not set(instance) <= set(DIGITS):
            raise ConfigError(f"an instance is named by 1 to 8 small letters and digits, not {instance!r}")
        self.instance = instance
        self._prefix = f"{PREFIX}{len(instance)}{instance}"  # with the length, no name is the beginning of another
        self._counter = 0

    @property
    def counter(self) -> int:
        """The number of the last id that was given, or found."""
        return self._counter

    def go_on(self, counter: int) -> None:
        """From this number."""
        self._counter = max(self._counter, counter)

    def next(self, strategy: str) -> str:
        """The next id; at most 32 letters and digits."""
        self._counter += 1
        name = "".join(letter for letter in strategy.lower() if letter in DIGITS)
        return f"{self._prefix}{_digits(self._counter)}{name}"[:LONGEST]

    def owns(self, client_id: str) -> bool:
        """Whether this instance made it, in this run or in an earlier one."""
        return self._number(client_id) is not None

    def used(self, client_id: str) -> None:
        """An id was found in the journal: never again give it, nor one before it."""
        number = self._number(client_id)
        if number is not None:
            self._counter = max(self._counter, number)

    def number(self, client_id: str) -> int:
        """Which of our ids it is; 0 of one that is not ours."""
        return self._number(client_id) or 0

    def strategy_of(self, client_id: str) -> str:
        """The letters and digits of the strategy's name, as far as they fit; "" of an id that is not ours."""
        return client_id[len(self._prefix) + COUNTER :] if self.owns(client_id) else ""

    def _number(self, client_id: str) -> int | None:
        counter = client_id[len(self._prefix) : len(self._prefix) + COUNTER]
        if not client_id.startswith(self._prefix) or len(counter) < COUNTER or not set(counter) <= set(DIGITS):
            return None
        return int(counter, len(DIGITS))


def slice_id(began_ns: int, number: int) -> str:
    """What an emergency stop that began then calls its order of this number: of no engine's making."""
    return f"f{began_ns:x}n{number}"


def is_slice(client_id: str) -> bool:
    """Whether an emergency stop, of whichever process, made it."""
    return _SLICE.fullmatch(client_id) is not None


def _digits(number: int) -> str:
    text = ""
    while number:
        number, digit = divmod(number, len(DIGITS))
        text = DIGITS[digit] + text
    assert len(text) <= COUNTER, "more orders than there are ids"
    return text.rjust(COUNTER, "0")
