"""What a store has on record beside its rows: instruments, holes, connections, disputes, points. Read-only."""

import msgspec

from tapeline.model.event import Gap, Link, Notice, Trade
from tapeline.model.instrument import Instrument
from tapeline.store.reading import Reading
from tapeline.store.series import PointRow


class Dispute(msgspec.Struct, frozen=True):
    """Two readings of one trade: `held` is kept as (price, size, exact digits, side), `given` is the later one."""

    instrument: str
    channel: str
    id: str
    received_ns: int
    held: tuple[float, float, str | None, str]
    given: Trade


class Poison(msgspec.Struct, frozen=True):
    """A row that could not be written: its type, its JSON, and why."""

    type: str
    body: str
    reason: str


class Records:
    """The small tables of an open store."""

    def __init__(self, connection: Reading) -> None:
        self._connection = connection

    def instruments(self) -> list[Instrument]:
        """Every instrument, its newest version."""
        rows = self._connection.execute(
            "SELECT body, max(valid_from_ns) FROM instruments GROUP BY instrument ORDER BY instrument"
        )
        decode = msgspec.json.Decoder(Instrument).decode
        return [msgspec.structs.replace(decode(body), valid_from_ns=valid) for body, valid in rows]

    def versions(self, instrument: str) -> list[Instrument]:
        """Every version of one instrument, oldest first; `valid_from_ns` says since when, 0 where since ever."""
        rows = self._connection.execute(
            "SELECT body, valid_from_ns FROM instruments WHERE instrument = ? ORDER BY valid_from_ns", (instrument,)
        )
        decode = msgspec.json.Decoder(Instrument).decode
        return [msgspec.structs.replace(decode(body), valid_from_ns=valid) for body, valid in rows]

    def gaps(self, instrument: str | None = None, channel: str | None = None) -> list[Gap]:
        """Holes on record, in the order they were seen."""
        rows = self._connection.execute(
            "SELECT instrument, channel, received_ns, after_ns, before_ns, after_seq, before_seq, cause, open "
            "FROM gaps JOIN series USING (series) ORDER BY gap"
        )
        return [
            Gap(
                who, of, before_ns, received_ns, "built", after_ns, before_ns, after_seq, before_seq, cause, bool(open_)
            )
            for who, of, received_ns, after_ns, before_ns, after_seq, before_seq, cause, open_ in rows
            if instrument in {None, who} and channel in {None, of}
        ]

    def links(self) -> list[Link]:
        """Every change of a connection."""
        rows = self._connection.execute(
            "SELECT received_ns, venue, connection, change, state, reason, attempts, final FROM links ORDER BY link"
        )
        return [
            Link(
                None,
                "link",
                None,
                received_ns,
                "ws",
                venue,
                connection,
                (),
                change,
                state,
                reason,
                attempts,
                bool(final),
            )
            for received_ns, venue, connection, change, state, reason, attempts, final in rows
        ]

    def notices(self) -> list[Notice]:
        """The venues' own words, as they came."""
        rows = self._connection.execute("SELECT received_ns, venue, code, text FROM notices ORDER BY notice")
        return [Notice(None, "notice", None, received_ns, "ws", *words) for received_ns, *words in rows]

    def disputes(self) -> list[Dispute]:
        """Trades that came again with another price, size or side; the first reading is what `trades` gives."""
        rows = self._connection.execute(
            "SELECT instrument, channel, id, received_ns, held, given FROM disputes JOIN series USING (series)"
        )
        held_of = msgspec.json.Decoder(tuple[float, float, str | None, str]).decode
        given_of = msgspec.json.Decoder(Trade).decode
        return [
            Dispute(who, of, ident, received_ns, held_of(held), given_of(given))
            for who, of, ident, received_ns, held, given in rows
        ]

    def poison(self) -> list[Poison]:
        """Rows that were set aside."""
        return [Poison(*row) for row in self._connection.execute("SELECT type, body, reason FROM poison")]

    def points(self) -> list[PointRow]:
        """The last good point of every series; of trades it moves with their rows, in the same transaction."""
        rows = self._connection.execute(
            "SELECT instrument, channel, at_ns, received_ns, seq FROM points JOIN series USING (series)"
        )
        return [PointRow(*row) for row in rows]
