"""What is known of a stretch of a series: proven, repaired, lost, in dispute. The values of the coverage ledger."""

import msgspec

HELD = frozenset({"proven", "repaired"})  # nothing is missing
CLOSED = frozenset({"unrecoverable", "disputed"})  # missing, and no use in fetching it


class Fact(msgspec.Struct, frozen=True):
    """Something found out about [from_ns, to_ns) of event time; facts are appended, spans derived from them.

    `state` is proven | repaired | unrecoverable | disputed | missing; `evidence` ids | count | bars | overlap | sum, or
    ""; `source` ws | rest | file | built. `why` says it in words; `cause` is the token of the Gap of what is missing.
    `first_seq` and `last_seq` are the numbers at both ends, where it is proven by them.

    `run` is not 0 on what the live stream shows: such a fact grows in place (the same run, start, state and evidence
    again, with another end), and every fact without a run outranks it. Among equals the later one does.
    """

    instrument: str
    channel: str
    from_ns: int
    to_ns: int
    state: str
    evidence: str
    source: str
    why: str
    known_at_ns: int
    first_seq: int | None = None
    last_seq: int | None = None
    cause: str = ""
    run: int = 0


class Wanted(msgspec.Struct, frozen=True):
    """[from_ns, to_ns) of a series is to be held. It may grow: the same series, source and start again.

    `source` says who wants it: live | backfill | import. `lost` says why holes in it cannot be filled, "" where they
    can.
    """

    instrument: str
    channel: str
    from_ns: int
    to_ns: int
    source: str
    lost: str = ""


class Span(msgspec.Struct, frozen=True):
    """[from_ns, to_ns) of event time and what is known of it; fields as in Fact."""

    from_ns: int
    to_ns: int
    state: str
    evidence: str
    source: str
    why: str
    cause: str = ""


class Stretch(msgspec.Struct, frozen=True):
    """[from_ns, to_ns) of a series to be fetched, and the ids `first`..`last` it misses, where both ends are known."""

    from_ns: int
    to_ns: int
    first: int | None = None
    last: int | None = None
    cause: str = ""

    @property
    def numbered(self) -> bool:
        """Whether it is known which ids are missing."""
        return self.first is not None and self.last is not None


class Hole(msgspec.Struct, frozen=True):
    """[from_ns, to_ns) of a series that is not held: missing | unrecoverable | disputed, and the cause."""

    instrument: str
    channel: str
    from_ns: int
    to_ns: int
    state: str
    cause: str
    why: str = ""
