"""Orders on their way out: rounded, judged by risk, then sent, held or refused; and their cancels and amends. Pure."""

from decimal import Decimal

from msgspec.structs import replace

from tapeline.errors import ConfigError
from tapeline.model.number import EXACT, ZERO, plain
from tapeline.model.order import REASONS, Intent, Order
from tapeline.trading.command import Amend, Cancel, Hold, Note, Submit, Withdraw
from tapeline.trading.guard import Guard
from tapeline.trading.input import Failed
from tapeline.trading.risk.check import Denied
from tapeline.trading.risk.orderly import fault
from tapeline.trading.rounding import Unfit, down, fit, up
from tapeline.trading.situation import Situation
from tapeline.trading.waiting import Waiter, released


class Placing:
    """The only way an order gets out of the engine."""

    def __init__(self, situation: Situation, guard: Guard) -> None:
        self._s, self._guard = situation, guard

    def place(self, intent: Intent, *, held: bool = False, after: str = "", refused: str = "") -> Order:
        """Take an order; it is given back as it is then. `held`: it waits with us, whatever the venue could do.

        `refused` is why it is refused whatever it is. Raises ConfigError where its account or instrument is unknown.
        """
        s = self._s
        account = s.setup.account_of(intent.instrument, intent.account)
        instrument = s.known(intent.instrument)
        fitted = fit(replace(intent, account=account.name), instrument, s.now_ns)
        client_id = s.blotter.next_id(intent.strategy)
        if isinstance(fitted, Unfit):
            s.blotter.intend(client_id, replace(intent, account=account.name), s.now_ns)
            return self.refuse(client_id, fitted.reason, fitted.text)
        s.blotter.intend(client_id, fitted, s.now_ns)
        if refused:
            return self.refuse(client_id, "other", refused)
        able = s.setup.able(account.venue)
        if held or fitted.kind not in able.kinds:
            return self._hold(client_id, fitted, after)
        return self.submit(client_id, fitted)

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
        self._s.waiters.drop(waiter.client_id)
        self._s.sight(waiter.intent.instrument).waiting -= 1
        return self.submit(waiter.client_id, released(waiter.intent, size))

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
        if order is None:
            raise ConfigError(f"there is no order {client_id!r} of ours")
        if order.final or order.asked == "cancel":
            return
        if client_id in s.waiters:
            self._ended(client_id, "cancelled before it was sent", "")
            return
        s.told(s.blotter.asked(client_id, "cancel", s.now_ns))
        self._guard.cancelled(order.intent)
        s.out.append(Cancel(client_id))

    def amend(self, client_id: str, size: Decimal | None, price: Decimal | None) -> bool:
        """Change its total size or its price; False, and a note why, where it cannot be."""
        s = self._s
        order = s.blotter.order(client_id)
        if order is None:
            raise ConfigError(f"there is no order {client_id!r} of ours")
        instrument = s.known(order.intent.instrument)
        size = None if size is None else down(size, instrument.lot)
        if price is not None:
            price = down(price, instrument.tick) if order.intent.side == "buy" else up(price, instrument.tick)
        why = self._unamendable(order, size, price)
        if not why:
            left = order.left or ZERO
            wanted = left if size is None else EXACT.subtract(size, order.filled)
            intent = replace(order.intent, size=wanted, price=price if price is not None else order.price)
            verdict = self._guard.judge(intent, client_id, already=left)
            why = verdict.text if isinstance(verdict, Denied) else ""
        if why:
            s.note("amend_denied", order.intent.account, why, client_id, order.intent.strategy)
            return False
        s.told(s.blotter.asked(client_id, "amend", s.now_ns, size, price))
        s.out.append(Amend(client_id, size, price))
        return True

    def end_at(self, client_id: str, intent: Intent) -> None:
        """Cancel it when its time is over."""
        assert intent.expires_ns is not None, "good till a date"
        self._s.alarms.set(intent.expires_ns, "", lambda: self.cancel(client_id))

    # ---- within --------------------------------------------------------------------------------------------------

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

    def _unamendable(self, order: Order, size: Decimal | None, price: Decimal | None) -> str:
        if order.final:
            return f"it is {order.state}"
        if order.asked:
            return f"{'a' if order.asked == 'cancel' else 'an'} {order.asked} of it has no answer yet"
        if size is not None and size <= order.filled:
            return f"{plain(order.filled)} of it is filled"
        if order.client_id in self._s.waiters:
            return "it waits with us: cancel it, and place another"
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
        held = s.ledger.holding(intent.account, intent.instrument, strategy=intent.strategy).size
        others = [
            order.left or ZERO
            for order in s.blotter.live(intent.account, intent.instrument, intent.strategy)
            if order.intent.side == "sell" and order.client_id != client_id and order.client_id not in s.waiters
        ]
        missing = [  # sold by the venue's word, and still held in our books
            lack.size
            for lack in s.blotter.lacking(s.now_ns)
            if lack.order.intent.side == "sell"
            and (lack.order.intent.account, lack.order.intent.instrument, lack.order.intent.strategy)
            == (intent.account, intent.instrument, intent.strategy)
        ]
        free = held
        for left in (*others, *missing):
            free = EXACT.subtract(free, left)
        instrument = s.known(intent.instrument)
        size = min(intent.size or ZERO, free, s.free.get((intent.account, instrument.base), free))
        size = down(size, instrument.lot)
        return replace(intent, size=size, reduce_only=False) if size > ZERO else None

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
