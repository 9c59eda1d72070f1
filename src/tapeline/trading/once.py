"""Each fill counts once, however often and by whichever way it comes. Pure."""

from tapeline.model.account import Fill


class Once:
    """Remembers fills by (account, instrument, venue's id, side): both halves of a trade with oneself have one id."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str | None], dict[tuple[str, str], bool]] = {}

    def offer(self, fill: Fill) -> str:
        """What it brings: "new", "fee" where only now its fee is known, "known" where nothing."""
        of = self._seen.setdefault((fill.account, fill.instrument), {})
        key = (fill.id, fill.side)
        had_fee = of.get(key)
        if had_fee is None:
            of[key] = fill.fee is not None
            return "new"
        if had_fee or fill.fee is None:
            return "known"
        of[key] = True
        return "fee"

    def __contains__(self, fill: Fill) -> bool:
        return (fill.id, fill.side) in self._seen.get((fill.account, fill.instrument), {})
