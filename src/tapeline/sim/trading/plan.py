"""What a trading day is made of, and how it went: values."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tapeline.sim.faults import Fault
from tapeline.sim.kept.chance import Life
from tapeline.sim.trading.chance import KINDS, Happening
from tapeline.venues.spec import Venue

DAY_S = 1500.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingPlan:
    """What a trading day is made of. What is None is drawn from the seed."""

    venue: Venue
    seed: int
    duration_s: float = DAY_S
    kinds: Sequence[str] = tuple(KINDS)  # of faults
    faults: Sequence[Fault] | None = None  # of every venue
    lives: Sequence[Life] | None = None
    clock_steps: Sequence[tuple[float, float]] | None = None
    halt: bool | None = None  # by another process, on the way
    happenings: Sequence[Happening] | None = None  # what others do to the account
    streamed: bool | None = None  # whether market data come over connections, or straight from the market
    second: str | None = None  # another venue, where the same strategies have an account too; "": none
    hedge: bool | None = None  # whether derivatives are held long and short side by side
    end: str | None = None

    @property
    def key(self) -> str:
        """What everything is drawn from."""
        return f"{self.venue.name} {self.seed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingReport:
    """How it went. `violations` is empty where every promise was kept; `digest` is equal for equal plans."""

    venue: str
    seed: int
    violations: tuple[str, ...]
    faults: dict[str, int]
    lives: int
    crashes: int
    orders: int
    fills: int
    end: str
    digest: str
    problems: dict[str, int] = field(default_factory=dict)  # what was complained of, by kind
    mode: str = "net"
    second: str = ""
    streamed: bool = False

    def __str__(self) -> str:
        """What happened, and how to make it happen again."""
        how = f"{'streamed' if self.streamed else 'short cut'}{self.second and f', and {self.second}'}"
        head = (
            f"trading day {self.venue} {self.seed}: {self.lives} lives, {self.crashes} crashes, {self.orders} orders, "
            f"{self.fills} fills, {self.mode}, {how}, "
            f"faults {self.faults}, end {self.end}, digest {self.digest}"
        )
        return "\n".join([
            head,
            *(f"  VIOLATED {sentence}" for sentence in self.violations),
            f"  again: uv run python -m tapeline.sim.trading.day {self.venue} {self.seed}",
        ])  # fmt: skip
