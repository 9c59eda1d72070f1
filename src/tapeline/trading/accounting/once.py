"""Each fill counts once, however often and by whichever way it comes, and however late. Pure.

What is not remembered any more is known by its age: see `forget`.
"""

from collections.abc import Iterable

import msgspec

from tapeline.model.account import Fill

NEAR_NS = 60_000_000_000  # how far two stamps of one fill, or of one payment, may be apart


class Once(msgspec.Struct, eq=False):
    """Remembers fills by (account, instrument, venue's id, side): both halves of a trade with oneself have one id."""

    # Whether its fee is known, and the venue's stamp.
    _seen: dict[tuple[str, str | None], dict[tuple[str, str], tuple[bool, int | None]]] = {}
    _known_ns: dict[str, int] = {}  # account -> what is stamped before then is known

    def offer(self, fill: Fill) -> str:
        """What it brings: "new", "fee" where only now its fee is known, "known" where nothing."""
        news = self.brings(fill)
        if news != "known":
            self._seen.setdefault((fill.account, fill.instrument), {})[fill.id, fill.side] = (
                fill.fee is not None, fill.at_ns
            )  # fmt: skip
        return news

    def brings(self, fill: Fill) -> str:
        """What `offer` would say."""
        if fill.at_ns is not None and fill.at_ns < self._known_ns.get(fill.account, 0):
            return "known"
        seen = self._seen.get((fill.account, fill.instrument), {}).get((fill.id, fill.side))
        if seen is None:
            return "new"
        return "known" if seen[0] or fill.fee is None else "fee"

    def settle(self, fill: Fill) -> None:
        """Its fee is accounted for, however: it is no news any more."""
        self._seen.setdefault((fill.account, fill.instrument), {})[fill.id, fill.side] = (True, fill.at_ns)

    def of(self, fills: Iterable[Fill]) -> "Once":
        """One that knows of these what this one knows, and nothing else."""
        other = Once(_known_ns=dict(self._known_ns))
        for fill in fills:
            seen = self._seen.get((fill.account, fill.instrument), {}).get((fill.id, fill.side))
            if seen is not None:
                other._seen.setdefault((fill.account, fill.instrument), {})[fill.id, fill.side] = seen
        return other

    def forget(self, account: str, before_ns: int) -> None:
        """What the venue stamped before then is known from now on, remembered or not: it is in the figures.

        A fill without a stamp has no age: it is remembered for ever.
        """
        self._known_ns[account] = max(before_ns, self._known_ns.get(account, 0))
        for place in [each for each in self._seen if each[0] == account]:
            self._seen[place] = {
                name: seen
                for name, seen in self._seen[place].items()
                # One way may stamp it a little before the line, and another behind it.
                if seen[1] is None or seen[1] >= before_ns - NEAR_NS
            }
            if not self._seen[place]:
                del self._seen[place]

    def holds(self, account: str, instrument: str | None, name: str, side: str) -> bool:
        """Whether a fill of this name is remembered."""
        return (name, side) in self._seen.get((account, instrument), {})

    def __contains__(self, fill: Fill) -> bool:
        return self.brings(fill) != "new"

    def count(self, account: str) -> int:
        """How many fills of an account are remembered."""
        return sum(len(names) for place, names in self._seen.items() if place[0] == account)
