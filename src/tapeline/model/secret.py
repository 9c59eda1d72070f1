"""Values that must not be printed, and keys made of them. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field


class Secret:
    """Text that shows as `***` wherever it is printed, formatted, logged or put into JSON.

    Not a `str`, so that joining, concatenating or encoding it by accident is a TypeError and not a leak.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself: for signing a request, and nothing else."""
        return self._text

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return format("***", spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __bool__(self) -> bool:
        return bool(self._text)

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not to be pickled: pass its name, and read it where it is used")


@dataclass(frozen=True, slots=True)
class Credentials:
    """One account's key. `sign` turns bytes into a raw signature: HMAC-SHA256 of `secret`, or Ed25519.

    `kind` is "hmac" or "ed25519": venues write the one in hex or base64, the other in base64. `secret` is for who signs
    in ways of their own (ccxt); nobody else needs it.
    """

    key: Secret
    sign: Callable[[bytes], bytes] = field(repr=False)
    kind: str = "hmac"
    passphrase: Secret | None = None
    secret: Secret | None = None
