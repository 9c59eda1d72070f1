"""`tapeline halt` and the watchdog: every account's gate first, then what is open at the venues. No engine is asked."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from tapeline.clock import Clock
from tapeline.config import Config
from tapeline.errors import TapelineError
from tapeline.store.latch import HaltLatch
from tapeline.trading.halt import Change, Kept
from tapeline.watch.memory import notes_into, ours_of, owner_of
from tapeline.watch.minimal import hand_of, stop_of
from tapeline.watch.report import Report, worst_of
from tapeline.watch.stop import Stop, stop_all
from tapeline.wire.pipe import Fetch

PAPER = (
    "a paper account: its venue is inside the engine's process, which cancels, and closes where that was asked for, as "
    "soon as it sees the latch"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Emergency:
    """What an emergency stop works with. `say` hears of what goes wrong, one line at a time.

    `notes` False: nothing is written to the journal, which is what went wrong.
    """

    config: Config
    fetch: Fetch
    clock: Clock
    environ: Mapping[str, str]
    chance: Callable[[], float]
    say: Callable[[str], object] = lambda _line: None
    notes: bool = True

    def latch(self, name: str) -> HaltLatch:
        """The latch of an account of the configuration."""
        return HaltLatch(name, self.config.account[name].mode, self.environ, self.clock)

    async def stop(
        self, names: Iterable[str], *, flatten: bool, who: str, why: str, cancels: bool = True
    ) -> list[Report]:
        """Halt these accounts, cancel what is open, close positions where asked, verify. A report of each.

        Without `cancels` they become reduce-only, and what is open is only looked at. Nothing that fails for one
        account keeps another from being stopped.
        """
        wanted = list(names)
        worst = worst_of(flatten=flatten, cancels=cancels)
        gates = {name: self._gate(name, worst, who, why) for name in wanted}
        stops: list[Stop] = []
        reports: list[Report] = []
        for name in wanted:
            self._note(name, gates[name])
            found = self._prepared(name, flatten=flatten, who=who, why=why, cancels=cancels)
            if isinstance(found, Stop):
                stops.append(found)
            else:
                reports.append(found)
        reports += await stop_all(stops)
        for report in reports:
            gate = gates[report.account]
            report.problems[:0] = [gate] if isinstance(gate, str) else []
        return sorted(reports, key=lambda report: wanted.index(report.account))

    def gate(self, names: Iterable[str], state: str, *, who: str, why: str) -> list[Report]:
        """Only the gate: nothing at the venues is touched."""
        wanted = list(names)
        gates = {name: self._gate(name, state, who, why) for name in wanted}
        for name, found in gates.items():
            self._note(name, found)
        return [
            self._report(name, who, why, found if isinstance(found, str) else "", flatten=False)
            for name, found in gates.items()
        ]

    # ---- within ------------------------------------------------------------------------------------------------------

    def _gate(self, name: str, state: str, who: str, why: str) -> Change | Kept | str:
        """What became of it; text where it went wrong."""
        try:
            return self.latch(name).worsen(state, who=who, why=why, outside=True)
        except OSError as error:
            return f"the latch could not be written ({error}): stop every process that trades with it"

    def _note(self, name: str, found: Change | Kept | str) -> None:
        """A change of the latch is written to the journal, once every gate is closed."""
        if isinstance(found, Change):
            self._notes(name)("halt", f"{found.before} -> {found.state} by {found.who}: {found.why}")

    def _notes(self, name: str) -> Callable[[str, str], None]:
        if not self.notes:
            return lambda _kind, _text: None
        folder = self.config.store.folder
        return notes_into(folder, name, self.clock.wall_ns, lambda text: self.say(f"{name}: {text}"))

    def _prepared(self, name: str, *, flatten: bool, who: str, why: str, cancels: bool) -> Stop | Report:
        if self.config.account[name].mode == "paper":
            return self._report(name, who, why, PAPER, flatten=flatten)
        try:
            hand = hand_of(
                name, self.config, fetch=self.fetch, clock=self.clock, environ=self.environ, chance=self.chance,
                ours=(lambda: ours_of(self.config.store.folder, name, self.clock.wall_ns())) if flatten else None,
            )  # fmt: skip
        except TapelineError as error:
            return self._report(name, who, why, str(error), flatten=flatten)
        note = self._notes(name)
        return stop_of(
            hand,
            self.latch(name),
            self.config,
            clock=self.clock,
            who=who,
            why=why,
            flatten=flatten,
            note=note,
            cancels=cancels,
            owns=owner_of(self.config.store.folder),
        )

    def _report(self, name: str, who: str, why: str, problem: str, *, flatten: bool) -> Report:
        now_ns = self.clock.wall_ns()
        return Report(
            account=name, mode=self.config.account[name].mode, state=self.latch(name).state, who=who, why=why,
            flatten=flatten, began_ns=now_ns, ended_ns=now_ns, problems=[problem] if problem else [],
        )  # fmt: skip
