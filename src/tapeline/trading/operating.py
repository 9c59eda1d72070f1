"""What people and faults do to a running engine: halts, pauses, new limits, claims; and what a restart finds. Pure."""

from collections.abc import Callable, Mapping

import msgspec

from tapeline.errors import ConfigError
from tapeline.model.order import Order
from tapeline.trading.command import CancelAll, SetHalt
from tapeline.trading.forgetting import forget
from tapeline.trading.guard import Guard
from tapeline.trading.input import Forget, Halted, Healthy, Operator
from tapeline.trading.linked import Linked
from tapeline.trading.placing import Placing
from tapeline.trading.risk.limits import Tables, newly
from tapeline.trading.seat import Seat
from tapeline.trading.settings import as_text
from tapeline.trading.situation import Situation, closes

FAULTS = (Exception, SystemExit)  # a strategy that says exit() ends no process in which others have orders
MINUTE_NS = 60_000_000_000
OURS = __file__.rpartition("trading")[0]
WORSE = {"halt": "halted", "reduce_only": "reduce_only", "flatten": "flattening"}


class Operating:
    """Takes words of operators and of the latch, and deals with strategies that fail."""

    def __init__(self, situation: Situation, placing: Placing, guard: Guard, seats: Mapping[str, Seat]) -> None:
        self._s, self._placing, self._guard, self._seats = situation, placing, guard, seats
        self._actions: dict[str, Callable[[Operator], None]] = {
            **dict.fromkeys(WORSE, self._worse), "pause": self._pause, "unpause": self._unpause,
            "limits": self._limits, "confirm": self._confirm, "claim": self._claim,
        }  # fmt: skip
        self._failed: dict[str, tuple[str, int, int]] = {}  # strategy -> (what it said, when, how often since)

    def restored(self, linked: Linked) -> None:
        """After a restart: what waited with us waits again, what ends at a time still does, and groups are groups."""
        held = {client_id: after for client_id, after in self._s.held.items() if client_id not in self._s.waiters}
        for order in self._s.blotter.live():
            if order.client_id in held and order.state == "intended":
                self._placing.wait(order.client_id, order.intent, held[order.client_id])
            elif order.intent.expires_ns is not None and order.intent.time_in_force == "gtc":
                self._placing.end_at(order.client_id, order.intent)
            if order.intent.group:
                linked.restore(order, held.get(order.client_id, ""))

    def failed(self, seat: Seat, where: str, error: BaseException) -> None:
        """A strategy raised: it is written down and, by its own policy, paused, or its account halted."""
        seat.failures += 1
        strategy = seat.strategy
        text = as_text(f"{where}: {type(error).__name__}: {_said(error)}{_line_of(error)}")
        again = self._again(seat, text) if strategy.on_error == "go_on" else ""
        if again is not None:
            self._s.note("strategy_failed", strategy.account, text + again, strategy=strategy.name)
        if strategy.on_error == "go_on":
            return
        self.pause(seat, text)
        if strategy.on_error == "halt":
            for account in self._accounts_of(seat):
                self._s.out.append(SetHalt(account, "halted", f"strategy {strategy.name} failed in {text}"))

    def pause(self, seat: Seat, why: str) -> None:
        """Call it no more, and cancel its orders; what it holds it keeps."""
        if seat.paused:
            return
        seat.paused = why
        name = seat.strategy.name
        self._s.alarms.put_aside(name)
        self._s.note("strategy_paused", seat.strategy.account, why, strategy=name)
        for order in self._s.blotter.live(strategy=name):
            self._placing.cancel(order.client_id)

    def operator(self, word: Operator) -> None:
        """A person's word."""
        said = f"{word.action} {word.value} by {word.who}: {word.why}".replace("  ", " ")
        action = self._actions.get(word.action)
        try:
            if action is not None:
                action(word)
        except ConfigError as error:  # what it is about may have gone meanwhile: no reason for the engine to end
            self._s.note("operator_refused", word.account, f"{said}: {error}")
            return
        self._s.note("operator", word.account, said)

    def halted(self, halted: Halted) -> None:
        """The latch of an account stands elsewhere now: the gate is that already, and orders follow."""
        s = self._s
        text = f"account {halted.account} is {halted.state}: {halted.why}"
        if halted.state in {"halted", "flattening"}:
            for order in s.blotter.live(halted.account):
                if order.client_id in s.waiters:
                    self._placing.cancel(order.client_id)
            s.out.append(CancelAll(halted.account))
        elif halted.state == "reduce_only":
            self._cancel_opening(halted.account)
        state = "ok" if halted.state == "running" else "fail"
        for seat in self._seats.values():
            if seat.started and not seat.paused and halted.account in self._accounts_of(seat):
                try:
                    seat.strategy.on_health(Healthy("halt", state, text, halted.at_ns))
                except FAULTS as error:
                    self.failed(seat, "on_health", error)

    def forget(self, what: Forget) -> None:
        """What is over for good is not kept."""
        forget(what, self._s.blotter, self._s.ledger)
        self._placing.forget(each for each in what.orders if self._s.blotter.order(each) is None)

    # ---- within --------------------------------------------------------------------------------------------------

    def _again(self, seat: Seat, text: str) -> str | None:
        """None for what a strategy that goes on has said within the minute; else how often it did, where it did."""
        s, last = self._s, self._failed.get(seat.strategy.name)
        if last is not None and last[0] == text and s.now_ns < last[1] + MINUTE_NS:
            self._failed[seat.strategy.name] = (text, last[1], last[2] + 1)
            return None
        self._failed[seat.strategy.name] = (text, s.now_ns, 0)
        return f", and {last[2]} times more before" if last is not None and last[2] and last[0] == text else ""

    def _cancel_opening(self, account: str) -> None:
        for order in self._s.blotter.live(account):
            if self._opens(order):
                self._placing.cancel(order.client_id)

    def _opens(self, order: Order) -> bool:
        intent = order.intent
        held = self._s.ledger.holding(intent.account, intent.instrument, intent.position).size
        return order.claimed and not intent.reduce_only and not closes(intent.side, held)

    def _worse(self, word: Operator) -> None:
        why = f"{word.who}: {word.why}"
        self._s.out.append(SetHalt(word.account, WORSE[word.action], why, word.who))

    def _pause(self, word: Operator) -> None:
        self.pause(self._seat(word.value), f"{word.who}: {word.why}")

    def _unpause(self, word: Operator) -> None:
        seat = self._seat(word.value)
        if seat.paused:
            seat.paused = ""
            self._s.alarms.take_up(seat.strategy.name, self._s.now_ns)

    def _limits(self, word: Operator) -> None:
        """What is tighter holds at once, for orders that rest too; what is looser waits for `confirm`."""
        try:
            tables = msgspec.json.decode(word.value, type=Tables)
        except msgspec.DecodeError as error:
            raise ConfigError(f"limits of {word.who}: {error}") from error
        limits = self._s.risk.limits
        before = limits.now
        for change in limits.change(tables):
            self._s.note("limit_waits", word.account, f"{change}: it is looser, and waits for a confirmation")
        self._cut(newly(before, limits.now))

    def _cut(self, tighter: Tables) -> None:
        """Cancel what rests and exceeds a limit of one order that has just become tighter.

        What only closes a position is left, as where an account becomes reduce-only: without it more would be held.
        """
        s = self._s
        for order in s.blotter.live():
            if order.client_id in s.waiters or not self._opens(order):
                continue  # risk judges what waits with us when its time comes
            found = self._guard.overstep(order, tighter)
            if found is not None and order.asked != "cancel":
                intent = order.intent
                s.note("limit_cancels", intent.account, f"{found.text}: cancelled", order.client_id, intent.strategy)
                self._placing.cancel(order.client_id)

    def _confirm(self, word: Operator) -> None:
        for change in self._s.risk.limits.confirm():
            self._s.note("limit_loosened", word.account, f"{change}, by {word.who}: {word.why}")

    def _claim(self, word: Operator) -> None:
        instrument, _, venue_id = word.value.rpartition(" ")
        order = self._s.blotter.claim(word.account, instrument, venue_id, self._s.now_ns)
        if order is None:
            raise ConfigError(f"account {word.account} has no order of other origin {word.value!r}")
        self._s.told(order)

    def _seat(self, name: str) -> Seat:
        found = self._seats.get(name)
        if found is None:
            raise ConfigError(f"there is no strategy {name!r}: {', '.join(self._seats)}")
        return found

    def _accounts_of(self, seat: Seat) -> list[str]:
        if seat.strategy.account:
            return [seat.strategy.account]
        venues = {instrument.partition(":")[0] for instrument in seat.strategy.feeds()}
        return [name for name, account in self._s.setup.accounts.items() if account.venue in venues]


def _said(error: BaseException) -> str:
    """Its text; an exception is a strategy's own too, and may fail of that."""
    try:
        return str(error)
    except FAULTS as other:
        return f"what it says cannot be said: {type(other).__name__}"


def _line_of(error: BaseException) -> str:
    """Where a strategy's own code was, for whoever has to mend it; the file's name alone, alike on every machine."""
    found, at = "", error.__traceback__
    while at is not None:
        name = at.tb_frame.f_code.co_filename
        if not name.startswith(OURS) and "site-packages" not in name:
            found = f" ({name.replace(chr(92), '/').rpartition('/')[2]}:{at.tb_lineno})"
        at = at.tb_next
    return found
