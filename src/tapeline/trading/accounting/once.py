"""Each fill counts once, however often and by whichever way it comes. Pure."""

from collections.abc import Iterable

import msgspec

from tapeline.model.account import Fill


class Once(msgspec.Struct, eq=False):
    """Remembers fills by (account, instrument, venue's id, side): both halves of a trade with oneself have one id."""

    _seen: dict[tuple[str, str | None], dict[tuple[str, str], bool]] = {}

    def offer(self, fill: Fill) -> str:
        """What it brings: "new", "fee" where only now its fee is known, "known" where nothing."""
        news = self.brings(fill)
        if news != "known":
            self._seen.setdefault((fill.account, fill.instrument), {})[fill.id, fill.side] = fill.fee is not None
        return news

    def brings(self, fill: Fill) -> str:
        """What `offer` would say."""
        had_fee = self._seen.get((fill.account, fill.instrument), {}).get((fill.id, fill.side))
        if had_fee is None:
            return "new"
        return "known" if had_fee or fill.fee is None else "fee"

    def settle(self, fill: Fill) -> None:
        """Its fee is accounted for, however: it is no news any more."""
        self._seen.setdefault((fill.account, fill.instrument), {})[fill.id, fill.side] = True

    def of(self, fills: Iterable[Fill]) -> "Once":
        """One that knows of these what this one knows, and nothing else."""
        other = Once()
        for fill in fills:
            had_fee = self._seen.get((fill.account, fill.instrument), {}).get((fill.id, fill.side))
            if had_fee is not None:
                other._seen.setdefault((fill.account, fill.instrument), {})[fill.id, fill.side] = had_fee
        return other

    def __contains__(self, fill: Fill) -> bool:
        return (fill.id, fill.side) in self._seen.get((fill.account, fill.instrument), {})
