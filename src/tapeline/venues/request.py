"""One HTTP request, as venues build it."""

import msgspec

_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")


class Request(msgspec.Struct, frozen=True):
    """One HTTP request, as it is sent. `weight` is what it costs of `budget`, an `Allowance` of the venue's."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    weight: int = 1
    budget: str = "weight"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @property
    def query_text(self) -> str:
        """The query as it is sent, to the letter: what a signature is made of. Without the question mark."""
        return encoded(self.query)

    def __repr__(self) -> str:
        """Without what headers and body say: keys are among it."""
        names = ", ".join(name for name, _ in self.headers)
        return f"Request({self.method} {self.path}, weight={self.weight} of {self.budget}, headers: {names or 'none'})"


def encoded(pairs: tuple[tuple[str, str], ...]) -> str:
    """`name=value&name=value`, percent-encoded: the same bytes wherever they are signed and sent."""
    return "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in pairs)


def _quoted(text: str) -> str:
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in text.encode())
