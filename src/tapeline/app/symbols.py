"""A venue's instruments by unified and native name."""

import difflib
from collections.abc import Iterable

from tapeline.errors import UnknownInstrument
from tapeline.model.instrument import Instrument


class Symbols:
    """Both ways between names; what is on no list goes by the venue's own symbol."""

    def __init__(self, venue: str) -> None:
        self._venue = venue
        self.by_native: dict[str, Instrument] = {}
        self._by_symbol: dict[str, Instrument] = {}

    def learn(self, instruments: Iterable[Instrument]) -> list[Instrument]:
        """Take over a list; returns those that are new or have changed."""
        changed = []
        for instrument in instruments:
            if self.by_native.get(instrument.native) != instrument:
                changed.append(instrument)
            self.by_native[instrument.native] = instrument
            self._by_symbol[instrument.symbol] = instrument
        return changed

    def find(self, name: str) -> Instrument:
        """By unified symbol, or by the venue's own. Raises UnknownInstrument with the nearest names."""
        found = self._by_symbol.get(name) or self.by_native.get(name) or self.by_native.get(name.upper())
        if found is not None:
            return found
        known = [*self._by_symbol, *self.by_native]
        near = difflib.get_close_matches(name.upper(), known, n=3, cutoff=0.5)
        raise UnknownInstrument(
            f"{self._venue} lists no {name!r}" + (f": did you mean {', '.join(near)}?" if near else "")
            + ("" if known else " (its instrument list is empty)")
        )  # fmt: skip

    def id_of(self, native: str) -> str:
        """The instrument id of a native symbol."""
        instrument = self.by_native.get(native)
        return instrument.id if instrument is not None else f"{self._venue}:{native}"
