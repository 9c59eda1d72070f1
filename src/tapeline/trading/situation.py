"""All that the engine knows: what its parts read, and the two lists they write, commands and news. Pure."""

from collections import deque
from collections.abc import Mapping
from decimal import ROUND_CEILING, Context, Decimal
from typing import NamedTuple

from tapeline.errors import ConfigError
from tapeline.model.account import Fill, Payment
from tapeline.model.instrument import Instrument, notional, split_id
from tapeline.model.number import EXACT, ZERO
from tapeline.model.order import Order
from tapeline.trading.accounting.ledger import Ledger
from tapeline.trading.alarms import Alarms
from tapeline.trading.command import OF_STOPS, Command, Note
from tapeline.trading.input import Healthy, Reduced
from tapeline.trading.orders import Blotter
from tapeline.trading.risk.book import RiskBook
from tapeline.trading.risk.losses import Since
from tapeline.trading.setup import Setup
from tapeline.trading.sight import Sight
from tapeline.trading.terms import differences
from tapeline.trading.waiting import Waiters

_ONE = Decimal(1)
_MARGIN = Context(prec=12, rounding=ROUND_CEILING)  # never less than it is
_RATE = Context(prec=16)  # a rate that is the inverse of a price


class News(NamedTuple):
    """What a strategy is to hear of, once whatever is being done is done."""

    strategy: str
    hook: str
    about: Order | Fill | Payment | Reduced


class Situation:
    """What is known. `out` are the commands of this step, `news` what strategies have not been told yet."""

    def __init__(
        self, setup: Setup, blotter: Blotter, ledger: Ledger, *, losses: Mapping[str, Since] | None = None
    ) -> None:
        self.setup, self.blotter, self.ledger = setup, blotter, ledger
        self.risk = RiskBook(setup.limits, worth=self.worth, losses=losses)
        self.alarms, self.waiters = Alarms(), Waiters()
        self.sights: dict[str, Sight] = {}
        self.halts: dict[str, str] = {}  # account -> how it stands; "running" where it is left out
        self.hedges: dict[str, bool] = {name: each.hedge for name, each in setup.accounts.items()}
        self.free: dict[tuple[str, str], Decimal] = {}  # account, currency -> what the venue says is free
        self.leverages: dict[tuple[str, str], Decimal] = {}  # account, instrument -> as the venue says
        self.offsets_s: dict[str, float] = {}  # venue -> how far our clock is off, after correction
        self.held: dict[
            str, str
        ] = {}  # what waited with us before a restart: client id -> the order it waits for, or ""
        self.now_ns = 0
        self.out: list[Command] = []
        self.news: deque[News] = deque()
        for instrument in setup.instruments.values():
            self.sights[instrument.id] = Sight(instrument.id, instrument)

    def sight(self, instrument: str) -> Sight:
        """What was seen of an instrument; nothing yet of one that is new."""
        found = self.sights.get(instrument)
        if found is None:
            found = self.sights[instrument] = Sight(instrument, None)
        return found

    def known(self, instrument: str) -> Instrument:
        """Raises ConfigError where nothing is known of it."""
        found = self.sight(instrument).instrument
        if found is None:
            raise ConfigError(f"nothing is known of {instrument}: is it written as venue:symbol?")
        return found

    def relist(self, new: Instrument, why: str) -> Healthy | None:
        """It is traded on these terms from now on; what strategies and people hear of it, None where all stays."""
        sight = self.sight(new.id)
        changed = "newly listed" if sight.instrument is None else differences(sight.instrument, new)
        sight.instrument = new
        if not changed:
            return None
        text = f"{new.id}: {changed}" + (f": {why}" if why else "")
        self.note("instrument", "", text)
        return Healthy("instrument", "ok" if new.status == "trading" else "warn", text, self.now_ns, new.id)

    def halt(self, account: str) -> str:
        """How an account stands: running | reduce_only | halted | flattening | flat."""
        return self.halts.get(account, "running")

    def rate(self, venue: str, currency: str, into: str) -> Decimal | None:
        """What one of `currency` is worth in `into` at this venue; None where no price says it."""
        if currency == into:
            return _ONE
        price = self._price(f"{venue}:{currency}/{into}")
        if price is not None:
            return price
        price = self._price(f"{venue}:{into}/{currency}")
        return _RATE.divide(_ONE, price) if price else None

    def worth(self, instrument: str, size: Decimal) -> Decimal | None:
        """What a size is worth now, in the currency accounts are valued in, its sign kept; None where nobody knows."""
        sight = self.sight(instrument)
        price, known = sight.price(), sight.instrument
        if price is None or known is None:
            return None
        rate = self.rate(known.venue, known.settle or known.quote, self.setup.currency)
        return None if rate is None else EXACT.multiply(notional(known, price, size), rate)

    def rates_into(self, account: str, into: str) -> dict[str, Decimal]:
        """What one of each currency is worth, that the account's venue trades or settles in."""
        venue = self.setup.accounts[account].venue
        found: dict[str, Decimal] = {into: _ONE}
        for sight in self.sights.values():
            each = sight.instrument
            if each is None or each.venue != venue:
                continue
            for currency in {each.base, each.quote, each.settle or each.quote} - found.keys():
                rate = self.rate(venue, currency, into)
                if rate is not None:
                    found[currency] = rate
        return found

    def equity(self, account: str, into: str = "") -> Decimal:
        """What the account is worth in a currency, or in that of all accounts; what has no rate counts nothing."""
        venue = self.setup.accounts[account].venue
        for sight in self.sights.values():
            price = sight.value_price()
            if price is not None and split_id(sight.id)[0] == venue:
                self.ledger.mark(sight.id, price)
        into = into or self.setup.currency
        return self.ledger.equity(account, into, self.rates_into(account, into))

    def equity_seen(self, account: str) -> Decimal:
        """The same for whoever looks from outside: nothing that is decided later depends on whether somebody did."""
        marks = self.ledger.marks()
        try:
            return self.equity(account)
        finally:
            self.ledger.set_marks(marks)

    def margin_rate(self, account: str, instrument: str) -> Decimal | None:
        """The margin a position takes, as a share of its value; None on spot, and where the venue has not said it."""
        leverage = self.leverages.get((account, instrument))
        return _MARGIN.divide(_ONE, leverage) if leverage else None

    def margin(self, account: str) -> Decimal:
        """What positions take of it now, in the currency accounts are valued in; where nobody knows, nothing."""
        total = ZERO
        for (instrument, _), held in self.ledger.holdings(account).items():
            rate = self.margin_rate(account, instrument)
            worth = self.worth(instrument, held.size) if rate is not None and held.size else None
            if rate is not None and worth is not None:
                total = EXACT.fma(worth.copy_abs(), rate, total)
        return total

    def note(self, kind: str, account: str, text: str, client_id: str = "", strategy: str = "") -> None:
        """A line for the journal."""
        assert kind not in OF_STOPS, f"{kind} is what stops note, beside the engine"
        self.out.append(Note(kind, account, text, client_id, strategy))

    def told(self, order: Order) -> None:
        """A strategy is to hear of its order."""
        self.news.append(News(order.intent.strategy, "on_order", order))

    def _price(self, instrument: str) -> Decimal | None:
        sight = self.sights.get(instrument)
        return None if sight is None else sight.price()


def closes(side: str, held: Decimal) -> bool:
    """Whether an order of this side makes a position smaller."""
    return held > ZERO if side == "sell" else held < ZERO
