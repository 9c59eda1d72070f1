"""What must not be in any recording is taken out of frames and answers: keys, signatures, listen keys. Pure."""

import re
from collections.abc import Iterable

from tapeline.model.secret import Credentials

HIDDEN = b"***"
SHORTEST = 4  # a shorter passphrase is hidden where it is named, and not wherever its letters stand


class Redaction:
    """`fields` are names of JSON members and of query parameters whose values are hidden, wherever they stand.

    Values that are known are hidden too, whatever is around them: the key, the passphrase, and what `hide` is told.
    """

    def __init__(self, credentials: Credentials, fields: Iterable[str]) -> None:
        self._known = [
            each.reveal().encode()
            for each in (credentials.key, credentials.passphrase)
            if each is not None and len(each.reveal()) >= SHORTEST
        ]
        names = b"|".join(re.escape(name.encode()) for name in sorted(fields))
        self._member = re.compile(rb'("(?:' + names + rb')"\s*:\s*)(?:"(?:[^"\\]|\\.)*"|[^\s,"\]}]+)', re.IGNORECASE)
        self._parameter = re.compile(rb"((?:^|[?&])(?:" + names + rb")=)[^&\s\"]*", re.IGNORECASE)

    def hide(self, value: str) -> None:
        """A value that was learnt on the way: a listen key."""
        known = value.encode()
        if len(known) >= SHORTEST and known not in self._known:
            self._known.append(known)

    def clean(self, raw: bytes) -> bytes:
        """The same without them."""
        for known in self._known:
            raw = raw.replace(known, HIDDEN)
        raw = self._member.sub(rb'\1"' + HIDDEN + rb'"', raw)
        return self._parameter.sub(rb"\1" + HIDDEN, raw)
