"""Health of what trades, the watchdog, and how positions are closed in an emergency: `[watch]` and `[flatten]`."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta

from tapeline.config.kinds import Count, MebiBytes, Seconds, Settings

Reaction = Literal["warn", "reduce_only", "halted", "flattening"]
_REACTIONS = "`warn` only tells; the others ask for that state of every account it concerns."


class WatchConfig(Settings, frozen=True, kw_only=True):
    """When something is wrong enough to stop trading, and what is done about it."""

    loop_lag_s: Annotated[
        Seconds, Meta(description="The event loop comes back this late: the process has too much to do.")
    ] = 0.5
    queue_age_s: Annotated[
        Seconds, Meta(description="Events wait longer than this to be decided on, or rows to be written.")
    ] = 2.0
    overload_s: Annotated[
        Seconds,
        Meta(description="Loop lag or queue age over their limits for so long make accounts `reduce_only`."),
    ] = 5.0
    overload_halt_s: Annotated[Seconds, Meta(description="And `halted` where it goes on for so long.")] = 30.0
    latency_s: Annotated[
        Seconds,
        Meta(description="From the venue's stamp of an event to us, the median of the last; more is a warning."),
    ] = 2.0
    clock_offset_s: Annotated[
        Seconds, Meta(description="Our clock against a venue's, after correction: what it may still be off.")
    ] = 2.0
    on_clock: Annotated[Reaction, Meta(description=f"What a clock beyond that does. {_REACTIONS}")] = "reduce_only"
    data_lost_s: Annotated[
        Seconds, Meta(description="A feed that an account's strategies use has brought nothing for so long.")
    ] = 60.0
    on_data_loss: Annotated[Reaction, Meta(description=f"What lost data do. {_REACTIONS}")] = "reduce_only"
    reconnects_per_minute: Annotated[
        Count, Meta(description="More outages of one venue in a minute are a storm.", extra={"unit": "outages"})
    ] = 10
    on_reconnects: Annotated[Reaction, Meta(description=f"What a storm does. {_REACTIONS}")] = "reduce_only"
    reconciled_older_s: Annotated[
        Seconds, Meta(description="The last comparison of an account with its venue is older.")
    ] = 900.0
    on_mismatch: Annotated[
        Reaction,
        Meta(description=f"What a difference does that reconciliation cannot explain. {_REACTIONS}"),
    ] = "reduce_only"
    rejects_in_row: Annotated[
        Count, Meta(description="So many orders in a row that the venue refused.", extra={"unit": "orders"})
    ] = 10
    on_rejects: Annotated[Reaction, Meta(description=f"What they do. {_REACTIONS}")] = "halted"
    memory_mb: Annotated[MebiBytes | None, Meta(description="The process holds more memory. Left out: any.")] = None
    heartbeat_s: Annotated[Seconds, Meta(description="How often the engine says that it lives.")] = 1.0
    watchdog_s: Annotated[
        Seconds,
        Meta(description="`tapeline watchdog` halts the engine's accounts where it has not said so for this long."),
    ] = 15.0
    watchdog_flatten: Annotated[
        bool, Meta(description="And closes their positions. Left out, it cancels what is open and verifies.")
    ] = False
    dead_man_s: Annotated[
        Annotated[int, Meta(ge=0, le=86_400)],
        Meta(
            description="The venue itself cancels all orders of an account where nobody has renewed its timer for so "
            "long, on venues that have one. Renewed at a third of it while the engine is healthy. 0: never armed.",
            extra={"unit": "seconds"},
        ),
    ] = 60


class FlattenConfig(Settings, frozen=True, kw_only=True):
    """How an emergency stop closes positions: reduce-only slices within a band of prices that widens in steps."""

    band: Annotated[
        Decimal,
        Meta(
            description="How far through the market a slice may be sold or bought at first, as a share of the price.",
            extra={"unit": "share (0.01 is 1 %)"},
        ),
    ] = Decimal("0.005")
    widen: Annotated[
        Decimal,
        Meta(
            description="What is added to the band after each slice that was not filled whole.",
            extra={"unit": "share (0.01 is 1 %)"},
        ),
    ] = Decimal("0.005")
    band_max: Annotated[
        Decimal,
        Meta(
            description="The widest it becomes. What is left then stays, and is reported.",
            extra={"unit": "share (0.01 is 1 %)"},
        ),
    ] = Decimal("0.05")
    slices: Annotated[
        Count, Meta(description="A position is closed in so many parts, where its lots allow.", extra={"unit": "parts"})
    ] = 4
    wait_s: Annotated[Seconds, Meta(description="How long a slice may take before it is asked for what it did.")] = 2.0
    give_up_s: Annotated[Seconds, Meta(description="How long the whole may take: what is open then is reported.")] = (
        300.0
    )


def watch_faults(watch: WatchConfig, flatten: FlattenConfig) -> Iterator[str]:
    """What no single setting can tell."""
    if watch.overload_halt_s < watch.overload_s:
        yield f"watch: overload_halt_s ({watch.overload_halt_s:g}) is under overload_s ({watch.overload_s:g})"
    if watch.watchdog_s < 3 * watch.heartbeat_s:
        yield (
            f"watch: watchdog_s ({watch.watchdog_s:g}) must be three times heartbeat_s ({watch.heartbeat_s:g}) or "
            "more, or one late beat is taken for death"
        )
    for name in ("band", "widen", "band_max"):
        value = getattr(flatten, name)
        if not (value.is_finite() and 0 < value < 1):
            yield f"flatten.{name}: expected a share over 0 and under 1"
            return
    if flatten.band > flatten.band_max:
        yield f"flatten: band ({flatten.band}) is over band_max ({flatten.band_max})"
