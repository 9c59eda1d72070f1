"""Orders on their way out: rounded, judged by risk, then sent, held or refused; and their cancels and amends. Pure."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from msgspec.structs import replace

from tapeline.errors import ConfigError
from tapeline.model.number import EXACT, ZERO, plain
from tapeline.model.order import REASONS, Intent, Order
from tapeline.trading.command import Amend, Cancel, Hold, Note, Submit, SubmitList, Withdraw
from tapeline.trading.guard import Guard
from tapeline.trading.input import Failed
from tapeline.trading.risk.check import Approved, Denied
from tapeline.trading.risk.orderly import fault
from tapeline.trading.rounding import Unfit, beyond, down, fit, up
from tapeline.trading.situation import Situation
from tapeline.trading.waiting import Waiter, released

FORGOTTEN = "it is over since long"
ONLY_WAITING = "what it waits for is the venue's to watch: cancel it, and place another"
OTHER_REFUSED = "the other order of its list cannot be"
END_AGAIN_NS = 10_000_000_000  # an order whose time is over is cancelled again, where the venue would not

Refusal = tuple[str, str, str, Denied | None]  # client id, reason, in words, and of risk: its verdict


class Placing:
    """The only way an order gets out of the engine."""

    def __init__(self, situation: Situation, guard: Guard) -> None:
        self._s, self._guard = situation, guard
        self._ends: dict[str, int] = {}  # client id -> the timer that ends it

    def place(self, intent: Intent, *, held: bool = False, after: str = "", refused: str = "") -> Order:
        """Take an order; it is given back as it is then. `held`: it waits with us, whatever the venue could do.

        `refused` is why it is refused whatever it is. Raises ConfigError where its account or instrument is unknown.
        """
        client_id, fitted, unfit = self._intended(intent)
        if unfit is not None:
            return self.refuse(client_id, unfit.reason, unfit.text)
        if refused:
            return self.refuse(client_id, "other", refused)
        able = self._s.setup.able(self._s.setup.accounts[fitted.account].venue)
        if held or fitted.kind not in able.kinds:
            return self._hold(client_id, fitted, after)
        return self.submit(client_id, fitted)

    def place_list(self, name: str, intents: Sequence[Intent], refused: str = "") -> list[Order]:
        """Take two orders that the venue keeps as one list of this name: both are sent, or none."""
        taken = [self._intended(intent) for intent in intents]
        names = [client_id for client_id, _, _ in taken]
        wrong: Refusal | None = (names[0], "other", refused, None) if refused else None
        for each, _, unfit in taken if wrong is None else ():
            wrong = wrong or (None if unfit is None else (each, unfit.reason, unfit.text, None))
        wrong = wrong or self.submit_list(name, [(client_id, intent) for client_id, intent, _ in taken])
        for each in names if wrong is not None else ():
            self.refuse(each, *(wrong[1:] if wrong and each == wrong[0] else ("other", refused or OTHER_REFUSED, None)))
        return [self._order(each) for each in names]

    def submit_list(self, name: str, orders: Sequence[tuple[str, Intent]]) -> Refusal | None:
        """Send them as one list, if risk lets it: each by its own price, and together as the one that may be filled.

        Where it does not, nothing has happened, and why is given back.
        """
        s = self._s
        s.blotter.tie(name, [client_id for client_id, _ in orders])
        if orders[0][1].reduce_only:  # of spot, where no venue keeps a sale from selling too much
            cut = self._spot_reduced(*orders[0])
            if cut is None:
                s.blotter.lists.untie(name)
                return orders[0][0], "reduce_only", "there is nothing left to reduce", None
            orders = [(each, replace(intent, size=cut.size, reduce_only=False)) for each, intent in orders]
        self._guard.changed(self._order(orders[0][0]))  # the second is an order, too
        approved: list[Approved] = []
        for client_id, intent in orders:
            already = intent.size if approved and intent.size is not None else ZERO
            verdict = self._guard.judge(intent, client_id, already=already)
            if isinstance(verdict, Denied):
                s.blotter.lists.untie(name)
                return client_id, verdict.code, verdict.text, verdict
            approved.append(verdict)
        s.out.append(SubmitList(name, tuple(approved)))
        return None

    def impossible(self, intent: Intent) -> str:
        """Why this could never wait, nor be sent: "" where it could."""
        instrument = self._s.known(intent.instrument)
        fitted = fit(intent, instrument, self._s.now_ns)
        if isinstance(fitted, Unfit):
            return fitted.text
        wrong = fault(fitted, instrument, self._s.sight(intent.instrument).price())
        return "" if wrong is None else wrong[1]

    def submit(self, client_id: str, intent: Intent) -> Order:
        """Send it, if risk lets it."""
        s = self._s
        if intent.reduce_only and s.known(intent.instrument).kind == "spot":
            cut = self._spot_reduced(client_id, intent)
            if cut is None:
                return self.refuse(client_id, "reduce_only", f"there is nothing left to {intent.side}")
            intent = cut
        venue = s.setup.accounts[intent.account].venue
        if intent.time_in_force == "gtd" and "gtd" not in s.setup.able(venue).times_in_force:
            self.end_at(client_id, intent)
            intent = replace(intent, time_in_force="gtc")  # its end stays in the journal: the next run keeps it too
        verdict = self._guard.judge(intent, client_id)
        if isinstance(verdict, Denied):
            return self.refuse(client_id, verdict.code, verdict.text, verdict)
        s.out.append(Submit(verdict))
        return self._order(client_id)

    def release(self, waiter: Waiter, size: Decimal | None) -> Order:
        """Its time has come: send it, of this size."""
        self._waits_no_more(waiter)
        order = self.submit(waiter.client_id, self._as_it_fits(released(waiter.intent, size)))
        if order.final:  # it is refused: by the journal it would wait again in the next run
            self._s.out.append(Withdraw(waiter.client_id, order.why, order.reason))
        return order

    def rest(self, waiter: Waiter, size: Decimal) -> bool:
        """It waits at the venue from now on, of this size; where risk does not let it, it still waits with us."""
        intent = self._as_it_fits(replace(waiter.intent, size=size))
        verdict = self._guard.judge(intent, waiter.client_id)
        if isinstance(verdict, Denied):
            return False
        self._waits_no_more(waiter)
        self._s.out.append(Submit(verdict))
        return True

    def rest_as_list(self, name: str, waiters: Sequence[Waiter], size: Decimal) -> bool:
        """They wait at the venue from now on, as one list; where risk does not let them, they still wait with us."""
        orders = [
            (each.client_id, self._as_it_fits(replace(each.intent, size=size, post_only=each.intent.kind == "limit")))
            for each in waiters
        ]
        for each in waiters:
            self._waits_no_more(each)
        if self.submit_list(name, orders) is None:
            return True
        for each in waiters:
            self._s.waiters.add(each)
            self._s.sight(each.intent.instrument).waiting += 1
        return False

    def funded(self, waiter: Waiter, size: Decimal) -> bool:
        """Whether the venue has told of what it is to sell: of what was just bought the fill is told first."""
        s, intent = self._s, waiter.intent
        known = s.known(intent.instrument)
        free = s.free.get((intent.account, known.base)) if known.kind == "spot" and intent.side == "sell" else None
        return free is None or free >= down(min(size, self._unsold(waiter.client_id, intent)), known.lot)

    def refuse(self, client_id: str, reason: str, text: str, denied: Denied | None = None) -> Order:
        """It is not sent, and never will be."""
        s = self._s
        order = self._ended(client_id, text, reason if reason in REASONS else "other")
        what = "" if denied is None or not denied.scope else f"{denied.code} of the {denied.scope}: "
        s.out.append(Note("denied", order.intent.account, what + text, client_id, order.intent.strategy))
        return order

    def cancel(self, client_id: str) -> None:
        """Cancel it where it rests, or withdraw it where it waits with us; nothing where it is final, or asked for."""
        s = self._s
        order = s.blotter.order(client_id)
        if order is None and s.blotter.forgotten(client_id):
            return
        if order is None:
            raise ConfigError(f"there is no order {client_id!r} of ours")
        if order.final or order.asked == "cancel":
            return
        if client_id in s.waiters:
            self._ended(client_id, "cancelled before it was sent", "")
            return
        if any(each.asked == "cancel" and not each.final for each in s.blotter.lists.others(client_id)):
            return  # the venue ends a list with any order of it
        s.told(s.blotter.asked(client_id, "cancel", s.now_ns))
        self._guard.cancelled(order.intent)
        s.out.append(Cancel(client_id))

    def amend(
        self, client_id: str, size: Decimal | None, price: Decimal | None, stop: Decimal | None = None
    ) -> bool:  # fmt: skip
        """Change its total size, its price or what it waits for; False, and a note why, where it cannot be."""
        s = self._s
        order = s.blotter.order(client_id)
        if order is None and s.blotter.forgotten(client_id):
            s.note("amend_denied", "", FORGOTTEN, client_id)
            return False
        if order is None:
            raise ConfigError(f"there is no order {client_id!r} of ours")
        wrong = beyond("size", size) or beyond("price", price) or beyond("stop", stop)
        if wrong:
            return self._noted(order, wrong)
        waiter = s.waiters.find(client_id)
        if waiter is not None:
            return self._noted(order, self._revise(waiter, size, price, stop))
        instrument = s.known(order.intent.instrument)
        size = None if size is None else down(size, instrument.lot)
        if price is not None:
            price = down(price, instrument.tick) if order.intent.side == "buy" else up(price, instrument.tick)
        why = ONLY_WAITING if stop is not None else self._unamendable(order, size, price)
        if not why:
            left = order.left or ZERO
            wanted = left if size is None else EXACT.subtract(size, order.filled)
            intent = replace(order.intent, size=wanted, price=price if price is not None else order.price)
            verdict = self._guard.judge(intent, client_id, already=left)
            why = verdict.text if isinstance(verdict, Denied) else ""
        if not self._noted(order, why):
            return False
        s.told(s.blotter.asked(client_id, "amend", s.now_ns, size, price))
        s.out.append(Amend(client_id, size, price))
        return True

    def end_at(self, client_id: str, intent: Intent) -> None:
        """Cancel it when its time is over; once more where the venue refuses that, until it is final."""
        assert intent.expires_ns is not None, "good till a date"

        def end() -> None:
            self._ends.pop(client_id, None)
            self.cancel(client_id)
            order = self._s.blotter.order(client_id)
            if order is not None and not order.final:
                self._ends[client_id] = self._s.alarms.set(self._s.now_ns + END_AGAIN_NS, "", end)

        self._ends[client_id] = self._s.alarms.set(intent.expires_ns, "", end)

    def forget(self, client_ids: Iterable[str]) -> None:
        """These are over and forgotten: nothing has to end them."""
        for client_id in client_ids:
            timer = self._ends.pop(client_id, None)
            if timer is not None:
                self._s.alarms.forget(timer)

    # ---- within --------------------------------------------------------------------------------------------------

    def _intended(self, intent: Intent) -> tuple[str, Intent, Unfit | None]:
        """A new order on the tick and the lot, or what is wrong with it. Raises ConfigError, see `place`."""
        s = self._s
        account = s.setup.account_of(intent.instrument, intent.account)
        named = replace(intent, account=account.name)
        fitted = fit(named, s.known(intent.instrument), s.now_ns)
        client_id = s.blotter.next_id(intent.strategy)
        unfit = fitted if isinstance(fitted, Unfit) else None
        taken = named if isinstance(fitted, Unfit) else fitted
        s.blotter.intend(client_id, taken, s.now_ns)
        return client_id, taken, unfit

    def _as_it_fits(self, intent: Intent) -> Intent:
        """On the tick and the lot as they are now: they may have changed while it waited. What is unfit, risk says."""
        fitted = fit(intent, self._s.known(intent.instrument), self._s.now_ns)
        return intent if isinstance(fitted, Unfit) else fitted

    def _hold(self, client_id: str, intent: Intent, after: str) -> Order:
        s = self._s
        wrong = fault(intent, s.known(intent.instrument), s.sight(intent.instrument).price())
        if wrong is not None:
            return self.refuse(client_id, *wrong)
        s.out.append(Hold(client_id, intent, after))
        self.wait(client_id, intent, after)
        return self._order(client_id)

    def wait(self, client_id: str, intent: Intent, after: str) -> None:
        """It waits from now on; also after a restart, when it has been journalled already."""
        self._s.waiters.add(Waiter(client_id, intent, after))
        self._s.sight(intent.instrument).waiting += 1
        if intent.time_in_force == "gtd":
            self.end_at(client_id, intent)

    def _waits_no_more(self, waiter: Waiter) -> None:
        self._s.waiters.drop(waiter.client_id)
        self._s.sight(waiter.intent.instrument).waiting -= 1

    def _noted(self, order: Order, why: str) -> bool:
        """Whether it is amended: `why` not is written down."""
        if why:
            self._s.note("amend_denied", order.intent.account, why, order.client_id, order.intent.strategy)
        return not why

    def _revise(self, waiter: Waiter, size: Decimal | None, price: Decimal | None, stop: Decimal | None) -> str:
        """Of an order that waits with us; why it cannot be, "" where it is done."""
        s, intent = self._s, waiter.intent
        faults = (
            (waiter.fired, "its price has come: it is on its way"),
            (size is not None and bool(intent.group), "its size is what is left of its group"),
            (size is not None and intent.size is None, "it is sized by what it may spend"),
            (price is not None and intent.price is None, f"a {intent.kind} order has no price"),
            (stop is not None and intent.stop_price is None, f"this {intent.kind} order waits for no price of its own"),
            (stop is not None and waiter.best is not None, "it trails already"),
        )  # fmt: skip
        why = next((text for wrong, text in faults if wrong), "")
        if why:
            return why
        wanted = replace(
            intent, size=intent.size if size is None else size, price=intent.price if price is None else price,
            stop_price=intent.stop_price if stop is None else stop,
        )  # fmt: skip
        fitted = fit(wanted, s.known(intent.instrument), s.now_ns)
        if isinstance(fitted, Unfit):
            return fitted.text
        wrong = fault(fitted, s.known(intent.instrument), s.sight(intent.instrument).price())
        if wrong is not None:
            return wrong[1]
        waiter.intent = fitted
        s.out.append(Hold(waiter.client_id, fitted, waiter.after))
        s.told(s.blotter.revise(waiter.client_id, fitted, s.now_ns))
        return ""

    def _unamendable(self, order: Order, size: Decimal | None, price: Decimal | None) -> str:
        if order.final:
            return f"it is {order.state}"
        if order.asked:
            return f"{'a' if order.asked == 'cancel' else 'an'} {order.asked} of it has no answer yet"
        if size is not None and size <= order.filled:
            return f"{plain(order.filled)} of it is filled"
        if self._s.blotter.lists.of(order.client_id):
            return "it is of an order list at the venue: cancel it, and place another"
        able = self._s.setup.able(self._s.setup.accounts[order.intent.account].venue).amends
        smaller = "smaller" in able and order.size is not None and size is not None and size < order.size
        if (size is not None and "size" not in able and not smaller) or (price is not None and "price" not in able):
            return "the venue does not amend this: cancel it, and place another"
        return ""

    def _spot_reduced(self, client_id: str, intent: Intent) -> Intent | None:
        """A spot sell that only reduces: at most what is held, less what other orders may sell. None: nothing is."""
        s = self._s
        if intent.side != "sell":
            return None
        free = self._unsold(client_id, intent)
        instrument = s.known(intent.instrument)
        size = min(intent.size or ZERO, free, s.free.get((intent.account, instrument.base), free))
        size = down(size, instrument.lot)
        return replace(intent, size=size, reduce_only=False) if size > ZERO else None

    def _unsold(self, client_id: str, intent: Intent) -> Decimal:
        """What is held by our books, less what other orders may sell, and what the venue has sold by its word."""
        s = self._s
        place = (intent.account, intent.instrument, intent.strategy)
        free = s.ledger.holding(intent.account, intent.instrument, strategy=intent.strategy).size
        lists = {s.blotter.lists.of(client_id)} - {""}
        for order in s.blotter.live(*place):
            if order.intent.side != "sell" or order.client_id == client_id or order.client_id in s.waiters:
                continue
            name = s.blotter.lists.of(order.client_id)
            if name not in lists:
                free = EXACT.subtract(free, order.left or ZERO)
            lists |= {name} - {""}
        for lack in s.blotter.lacking(s.now_ns):
            of = lack.order.intent
            if of.side == "sell" and (of.account, of.instrument, of.strategy) == place:
                free = EXACT.subtract(free, lack.size)
        return free

    def _ended(self, client_id: str, why: str, reason: str) -> Order:
        """It ends before it was sent."""
        s = self._s
        waiter = s.waiters.drop(client_id)
        if waiter is not None:
            s.sight(waiter.intent.instrument).waiting -= 1
            s.out.append(Withdraw(client_id, why, reason))
        s.blotter.apply(Failed(client_id, "submit", "unsent", s.now_ns, why, reason), s.now_ns)
        order = self._order(client_id)
        s.told(order)
        return order

    def _order(self, client_id: str) -> Order:
        order = self._s.blotter.order(client_id)
        assert order is not None, f"{client_id} was intended"
        return order
