"""What risk is told of orders, positions and worth, so that what it judges by is how things stand. Pure."""

from decimal import Decimal

from msgspec.structs import replace

from tapeline.model.account import Fill, Payment
from tapeline.model.instrument import split_id
from tapeline.model.number import EXACT, ZERO
from tapeline.model.order import Intent, Order
from tapeline.trading.life import Worst
from tapeline.trading.risk.book import Around, Breach
from tapeline.trading.risk.check import Approved, Denied, Resting, RiskState, overstep
from tapeline.trading.risk.exposure import Place, held
from tapeline.trading.risk.limits import Tables
from tapeline.trading.risk.rates import Key
from tapeline.trading.situation import Situation

_WATCHED = frozenset({"stop", "stop_limit", "take_profit", "trailing_stop"})
FIRST_NS = 60_000_000_000  # of a run: prices of all that is held are yet to come


class Guard:
    """Between the engine and `RiskBook`: places that changed are counted anew when an order is to be judged."""

    def __init__(self, situation: Situation) -> None:
        self._s = situation
        self._stale: dict[Place, None] = {}  # in order
        self._known: set[str] | None = None  # accounts of which losses are remembered from before this run
        self._first_ns = 0  # until then they are taken for it where prices are yet to come
        self._begun: set[str] | None = None  # those accounts, for as long as the run lasts
        self._uncounted: set[tuple[str, str]] = set()  # account and currency: held, and never was there a rate
        self._counted: set[tuple[str, str]] = set()

    def judge(self, intent: Intent, client_id: str, already: Decimal = ZERO) -> Approved | Denied:
        """Whether risk lets this order through; `already` of it is counted, where it is amended."""
        s = self._s
        self.refresh(leaving_out=client_id if not already else "")
        verdict = s.risk.judge(intent, self._around(intent, client_id), s.now_ns, client_id=client_id, already=already)
        self._stale[_place(intent)] = None
        return verdict

    def overstep(self, order: Order, tables: Tables) -> Denied | None:
        """Which of these limits of one order an order exceeds, with what may still be filled of it."""
        intent, most = order.intent, self._s.blotter.most(order.client_id)
        left = replace(intent, size=most, quote_size=intent.quote_size if most is None else None, price=order.price)
        around = self._around(left, order.client_id)
        rules = tables.rules(intent.account, intent.strategy, intent.instrument)
        return overstep(left, RiskState(instrument=around.instrument, market=around.market), rules)

    def count_all(self) -> None:
        """A run begins: what is held and ordered from before counts too."""
        blotter, ledger = self._s.blotter, self._s.ledger
        for order in (*blotter.live(), *blotter.foreign()):
            self.changed(order)
        for account in self._s.setup.accounts:
            for strategy in sorted(ledger.strategies(account)):
                for instrument, position in ledger.holdings(account, strategy):
                    self._stale[Place(account, strategy, instrument, position)] = None

    def moved(self, place: tuple[str, str, str], strategy: str) -> None:
        """A line of the books at this place (account, instrument, position) changed, by no fill of its own."""
        account, instrument, position = place
        self._stale[Place(account, strategy, instrument, position)] = None

    def changed(self, order: Order) -> None:
        """An order is not what it was."""
        self._stale[_place(order.intent) if order.claimed else _place(order.intent)._replace(strategy="")] = None

    def filled(self, fill: Fill, strategy: str) -> None:
        """A fill was booked: the position changed, and a fee was paid."""
        s = self._s
        place = Place(fill.account, strategy, fill.instrument or "", fill.position)
        self._stale[place] = None
        if fill.fee:
            rate = s.rate(split_id(fill.instrument or "")[0], fill.fee_currency, s.setup.currency)
            if rate is not None:
                s.risk.paid(place, EXACT.multiply(fill.fee, rate))

    def transferred(self, payment: Payment) -> None:
        """What was put into an account, or taken out of it, is neither won nor lost."""
        s, account = self._s, self._s.setup.accounts.get(payment.account)
        if payment.kind != "transfer" or account is None:
            return
        rate = s.rate(account.venue, payment.currency, s.setup.currency)
        if rate is not None:  # else equity does not count it either
            s.risk.losses.moved(("account", payment.account), EXACT.multiply(payment.amount, rate))

    def cancelled(self, intent: Intent) -> None:
        """A cancel is asked for."""
        self._s.risk.cancelled(_place(intent), self._s.now_ns)

    def mark(self) -> list[Breach]:
        """Tell risk what everything is worth now; the limits that are exceeded as it stands."""
        s = self._s
        self.refresh()
        unpriced = self._unpriced()
        self._count_in()
        for name in s.setup.accounts:
            equity = s.equity(name)
            if name in unpriced:
                equity = self._remembered(("account", name), equity)
            s.risk.marked(name, equity, s.now_ns, s.margin(name))
        won: dict[Key, Decimal] = {}
        unknown: set[Key] = set()
        for place in s.risk.exposure.places():
            amount = self._won(place)
            for scope, key in place.keys().items():
                if scope != "account":
                    won[key] = EXACT.add(won.get(key, ZERO), amount)
                    unknown |= {key} if place.account in unpriced else set()
        for key, amount in won.items():
            s.risk.won(key, self._remembered(key, amount) if key in unknown else amount, s.now_ns)
        return s.risk.breaches()

    def refresh(self, leaving_out: str = "") -> None:
        """Count anew what changed. `leaving_out`: an order that is about to be judged does not count yet."""
        for place in self._stale:
            self._count(place, leaving_out)
        self._stale = {}

    def _count(self, place: Place, leaving_out: str) -> None:
        s = self._s
        account, strategy, instrument, position = place
        size = s.ledger.holding(account, instrument, position, strategy).size
        if strategy:
            live = s.blotter.live(account, instrument, strategy)
            worst = s.blotter.worst(account, instrument, strategy, position)
            waiting = [each for each in live if each.client_id in s.waiters or each.client_id == leaving_out]
        else:
            live = s.blotter.foreign(account, instrument)
            worst, waiting = _worst_of(live), []
        live = [each for each in live if each.intent.position == position]
        aside = {each.client_id for each in waiting}
        buys, sells, quote = worst
        for each in waiting:
            intent = each.intent
            if intent.reduce_only or intent.position != position:
                continue
            if each.left is None:
                quote = max(ZERO, EXACT.subtract(quote, intent.quote_size or ZERO))
            elif intent.side == "buy":
                buys = EXACT.subtract(buys, each.left)
            else:
                sells = EXACT.subtract(sells, each.left)
        known = s.sight(instrument).instrument
        counted = [each for each in live if each.client_id not in aside]
        lists = {name: each for each in reversed(counted) if (name := s.blotter.lists.of(each.client_id))}
        once = [each for each in counted if lists.get(s.blotter.lists.of(each.client_id), each) is each]
        s.risk.exposure.set(
            place,
            held(
                size, buys, sells, quote, once, spot=known is not None and known.kind == "spot",
                price=s.sight(instrument).price(),
            ),
            len(counted),
        )  # fmt: skip

    def _around(self, intent: Intent, client_id: str) -> Around:
        s = self._s
        sight = s.sight(intent.instrument)
        known = sight.instrument
        rate = None
        if known is not None:
            rate = s.rate(known.venue, known.settle or known.quote, s.setup.currency)
        return Around(
            instrument=known,
            market=sight.market(s.now_ns, rate, s.offsets_s.get(split_id(intent.instrument)[0], 0.0)),
            halt=s.halt(intent.account),
            resting=tuple(
                Resting(each.client_id, each.intent.side, each.price)
                for each in s.blotter.live(intent.account, intent.instrument)
                if each.client_id != client_id and each.client_id not in s.waiters and not self._watched(each)
            ),
            free=self._free(intent),
            margin_rate=s.margin_rate(intent.account, intent.instrument),
            mode="hedge" if s.hedges.get(intent.account) else "net",
        )

    def _watched(self, order: Order) -> bool:
        """Whether the venue still waits for its price, so that nothing of it is in the book to trade with."""
        intent, sight = order.intent, self._s.sight(order.intent.instrument)
        if intent.kind not in _WATCHED or order.filled:
            return False
        if intent.trail is not None or intent.stop_price is None:
            return intent.trail is not None
        falls = (intent.side == "sell") == (intent.kind != "take_profit")
        seen = [price for price in (sight.last, sight.price()) if price is not None]
        return bool(seen) and all(price > intent.stop_price if falls else price < intent.stop_price for price in seen)

    def _unpriced(self) -> set[str]:
        """Accounts of which losses are remembered, that hold what no price was heard of since the run began, just now.

        Without its worth an account seems to have lost it; what was remembered stands, for `FIRST_NS` at most.
        """
        s = self._s
        if self._known is None:
            losses = s.risk.losses
            self._known = {name for name in s.setup.accounts if losses.equity(("account", name)) is not None}
            self._first_ns = s.now_ns + FIRST_NS
        if s.now_ns >= self._first_ns:
            self._known = set()
        return {name for name in self._known if self._holds_unpriced(name)}

    def _count_in(self) -> None:
        """What is held of a currency counts in an account's worth from its first price on: it was not won then.

        Else a limit of losses would begin with what the account was worth without it. One of which losses are
        remembered was worth that before, and is left alone.
        """
        s = self._s
        if self._begun is None:
            self._begun = set(self._known or ())
        for name in (each for each in s.setup.accounts if each not in self._begun):
            for currency, amount in s.ledger.balances(name).items():
                key = (name, currency)
                if not amount or key in self._counted:
                    continue
                rate = s.rate(s.setup.accounts[name].venue, currency, s.setup.currency)
                if rate is None:
                    self._uncounted.add(key)
                    continue
                self._counted.add(key)
                if key in self._uncounted:
                    s.risk.losses.moved(("account", name), EXACT.multiply(amount, rate))

    def _holds_unpriced(self, account: str) -> bool:
        s, venue = self._s, self._s.setup.accounts[account].venue
        if any(
            held.size and s.sight(instrument).value_price() is None
            for (instrument, _), held in s.ledger.holdings(account).items()
        ):
            return True
        rates = s.rates_into(account, s.setup.currency)
        listed = [each.instrument for each in s.sights.values() if each.instrument is not None]
        told = {name for each in listed if each.venue == venue for name in (each.base, each.quote, each.settle)}
        return any(amount and name in told - rates.keys() for name, amount in s.ledger.balances(account).items())

    def _remembered(self, key: Key, amount: Decimal) -> Decimal:
        """What a scope was worth, or had won, when it was last looked at; else this."""
        known = self._s.risk.losses.equity(key)
        return amount if known is None else known

    def _free(self, intent: Intent) -> Decimal | None:
        """What is free of the currency that a spot order spends, where the venue has said it."""
        s = self._s
        known = s.sight(intent.instrument).instrument
        if known is None or known.kind != "spot":
            return None
        return s.free.get((intent.account, known.quote if intent.side == "buy" else known.base))

    def _won(self, place: Place) -> Decimal:
        s = self._s
        found = s.ledger.holding(place.account, place.instrument, place.position, place.strategy)
        known = s.sight(place.instrument).instrument
        if known is None:
            return ZERO
        rate = s.rate(known.venue, known.settle or known.quote, s.setup.currency)
        price = s.sight(place.instrument).value_price()
        unrealised = ZERO if price is None else found.unrealised(price, known)
        return ZERO if rate is None else EXACT.multiply(EXACT.add(found.realised, unrealised), rate)


def _place(intent: Intent) -> Place:
    return Place(intent.account, intent.strategy, intent.instrument, intent.position)


def _worst_of(orders: list[Order]) -> Worst:
    sums = {"buy": ZERO, "sell": ZERO}
    for order in orders:
        if not order.intent.reduce_only and order.intent.side in sums and order.left is not None:
            sums[order.intent.side] = EXACT.add(sums[order.intent.side], order.left)
    return Worst(sums["buy"], sums["sell"], ZERO)
