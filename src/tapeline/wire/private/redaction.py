"""What must not be in any recording is taken out of frames and answers: keys, signatures, listen keys. Pure."""

import re
from collections.abc import Iterable

import msgspec

from tapeline.model.secret import Credentials

HIDDEN = b"***"
SHORTEST = 4  # a shorter passphrase is hidden where it is named, and not wherever its letters stand


class Redaction:
    """`fields` are names of JSON members and of query parameters whose values are hidden, wherever they stand.

    Values that are known are hidden too, whatever is around them: the key, secret and passphrase, as they are and as
    JSON writes them, and what `hide` is told.
    """

    def __init__(self, credentials: Credentials, fields: Iterable[str]) -> None:
        self._known: list[bytes] = []
        for each in (credentials.key, credentials.secret, credentials.passphrase):
            if each is not None:
                self.hide(each.reveal())
        names = b"|".join(re.escape(name.encode()) for name in sorted(fields))
        self._member = re.compile(rb'("(?:' + names + rb')"\s*:\s*)(?:"(?:[^"\\]|\\.)*"|[^\s,"\]}]+)', re.IGNORECASE)
        self._parameter = re.compile(rb"((?:^|[?&])(?:" + names + rb")=)[^&\s\"]*", re.IGNORECASE)

    def hide(self, value: str) -> None:
        """A value that was learnt on the way: a listen key."""
        for known in (value.encode(), msgspec.json.encode(value)[1:-1]):  # a key in PEM has line ends
            if len(value) >= SHORTEST and known not in self._known:
                self._known.append(known)

    def clean(self, raw: bytes) -> bytes:
        """The same without them."""
        for known in self._known:
            raw = raw.replace(known, HIDDEN)
        raw = self._member.sub(rb'\1"' + HIDDEN + rb'"', raw)
        return self._parameter.sub(rb"\1" + HIDDEN, raw)
