"""One HTTP request, as venues build it."""

import msgspec


class Request(msgspec.Struct, frozen=True):
    """One HTTP request, as it is sent. `weight` is what it costs of `budget`, an `Allowance` of the venue's."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    weight: int = 1
    budget: str = "weight"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
