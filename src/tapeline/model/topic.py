"""What can be subscribed: one channel of one instrument, in the venue's own name for it."""

import msgspec


class Topic(msgspec.Struct, frozen=True, order=True):
    """A channel (by the grammar of `model.channel`) of a native symbol; `native` is "" for venue-wide channels."""

    channel: str
    native: str

    def __str__(self) -> str:
        return f"{self.channel} {self.native}" if self.native else self.channel
