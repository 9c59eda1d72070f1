"""The settings: names, types, defaults, units and meanings. The reference is generated from this file.

A setting that is None where it is optional leaves the choice to the venue or to the level above it.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from msgspec import Meta

from tapeline.config.account import AccountConfig
from tapeline.config.kinds import (
    YEAR_S,
    Bytes,
    Connections,
    Count,
    HoursBetween,
    MebiBytes,
    Seconds,
    Settings,
    Text,
    Transport,
)
from tapeline.config.risk import RiskConfig
from tapeline.config.sync import FallbackSetting, ModeSetting, SourceSetting, SyncConfig, WebsocketSetting
from tapeline.config.trade import StrategyConfig, TradeConfig
from tapeline.config.watch import FlattenConfig, WatchConfig


class ConnectionOverrides(Settings, frozen=True, kw_only=True):
    """Connection settings of a venue or a stream; what is left out comes from the level above."""

    connections: Annotated[
        Connections | None,
        Meta(
            description="Independent connections for the same topics. With 2 a single cut costs nothing: each event "
            "passes once, from whichever brings it first.",
            extra={"unit": "connections"},
        ),
    ] = None
    connection_score: Annotated[
        bool | None,
        Meta(
            description="Replace a connection that does badly (pings unanswered or ever slower, unreadable frames, an "
            "age at which those before it were ended) by a new one, with overlap, before it ends."
        ),
    ] = None
    connection_timeout_s: Annotated[
        Seconds | None, Meta(description="Longest a dial may take: name look-up, TCP, TLS and WebSocket handshake.")
    ] = None
    heartbeat_interval_s: Annotated[
        Seconds | None, Meta(description="How often a ping is sent. Left out: what the venue asks for.")
    ] = None
    silence_s: Annotated[
        Seconds | None,
        Meta(
            description="A connection on which nothing was heard for this long, pongs included, is dead and is dialled "
            "anew. Left out: the venue's own figure."
        ),
    ] = None
    ack_s: Annotated[
        Seconds | None,
        Meta(description="Longest the venue may take to confirm a subscription before it is asked again."),
    ] = None
    first_data_s: Annotated[
        Seconds | None,
        Meta(
            description="A confirmed topic that brings nothing for this long counts as not delivered; feeds that are "
            "rightly quiet are exempt. Left out: the venue's own figure."
        ),
    ] = None
    idle_ping_s: Annotated[
        Seconds | None,
        Meta(
            description="Ping as soon as nothing was heard for this long, so that a quiet connection proves its life."
        ),
    ] = None
    max_connection_age_s: Annotated[
        Seconds | None,
        Meta(
            description="Replace a connection at this age by a new one, with overlap. Left out: shortly before the "
            "venue's own limit, where it has one."
        ),
    ] = None
    overlap_s: Annotated[
        Seconds | None,
        Meta(
            description="Longest a replacing connection may take to deliver all topics; the old one goes on until then."
        ),
    ] = None
    reconnect_attempts: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(
            description="Failed dials in a row before a connection gives up for good, and attempts at the instrument "
            "list before a venue is. 0: never.",
            extra={"unit": "attempts"},
        ),
    ] = None
    reconnect_delay_s: Annotated[
        Seconds | None,
        Meta(
            description="Back-off after the second failed dial in a row (the first retry is immediate); it doubles "
            "from there, with full jitter."
        ),
    ] = None
    reconnect_delay_max_s: Annotated[Seconds | None, Meta(description="Longest back-off.")] = None
    healthy_after_s: Annotated[
        Seconds | None,
        Meta(description="The count of attempts and the back-off start anew only after a connection lived this long."),
    ] = None
    breaker_threshold: Annotated[
        Count | None,
        Meta(
            description="Bad frames, or failed dials, in a row that open the circuit breaker.",
            extra={"unit": "frames or dials"},
        ),
    ] = None
    breaker_cooldown_s: Annotated[
        Seconds | None, Meta(description="How long an open breaker leaves the venue alone before it probes once.")
    ] = None
    compression: Annotated[
        bool | None, Meta(description="Offer permessage-deflate: less traffic, more CPU. Off is faster.")
    ] = None
    transport: Annotated[
        Transport | None,
        Meta(description="The WebSocket library: `picows` is the fastest, `websockets` the fallback."),
    ] = None
    buffer_size: Annotated[
        Bytes | None, Meta(description="Largest message taken; a larger one ends the connection before it is read.")
    ] = None


class ConnectionConfig(Settings, frozen=True, kw_only=True):
    """How connections are kept alive, for every venue."""

    connections: Connections = 1
    connection_score: bool = True
    connection_timeout_s: Seconds = 10.0
    heartbeat_interval_s: Seconds | None = None
    silence_s: Seconds | None = None
    ack_s: Seconds = 10.0
    first_data_s: Seconds | None = None
    idle_ping_s: Seconds = 5.0
    max_connection_age_s: Seconds | None = None
    overlap_s: Seconds = 30.0
    reconnect_attempts: Annotated[int, Meta(ge=0)] = 0
    reconnect_delay_s: Seconds = 1.0
    reconnect_delay_max_s: Seconds = 60.0
    healthy_after_s: Seconds = 60.0
    breaker_threshold: Count = 10
    breaker_cooldown_s: Seconds = 30.0
    compression: bool = False
    transport: Transport = "picows"
    buffer_size: Bytes = 16 * 2**20


WS_URL = Meta(
    description="Replaces scheme, host and port of every WebSocket endpoint of the venue; paths stay "
    "(`ws://127.0.0.1:8080`)."
)
REST_URL = Meta(description="Replaces scheme, host and port of the venue's REST address; paths stay.")


class VenueConfig(ConnectionOverrides, frozen=True, kw_only=True):
    """Settings of one venue: `[venue.NAME]`, NAME as in `tapeline venues`."""

    rest_url: Annotated[str | None, REST_URL] = None
    ws_url: Annotated[str | None, WS_URL] = None
    mode: ModeSetting = None
    realtime_source: SourceSetting = None
    enable_websocket: WebsocketSetting = None
    fallback_to_polling: FallbackSetting = None
    max_topics: Annotated[
        Count | None,
        Meta(
            description="Most topics (a channel of a symbol) streamed at once; which, see `websocket_priority`. The "
            "others are polled where their mode lets them. Left out: the venue's own limit, where it has one.",
            extra={"unit": "topics"},
        ),
    ] = None
    ccxt: Annotated[
        Mapping[str, Any],
        Meta(
            description="Of a venue behind ccxt (`ccxt-EXCHANGE`): settings of ccxt's own object, under its names: "
            '`ccxt = {httpsProxy = "http://127.0.0.1:8118", options = {recvWindow = 10000}}`. Keys belong to '
            "`[account.NAME]`."
        ),
    ] = MappingProxyType({})


class StreamConfig(ConnectionOverrides, frozen=True, kw_only=True):
    """What to stream: one `[[stream]]` table for each group of symbols. Every symbol gets every channel."""

    venue: Annotated[
        str, Meta(description="The venue's name, as in `tapeline venues`, or `ccxt-EXCHANGE`.", min_length=1)
    ]
    symbols: Annotated[
        tuple[Text, ...],
        Meta(description="Symbols: unified (`BTC/USDT`) or the venue's own (`BTCUSDT`).", min_length=1),
    ]
    channels: Annotated[
        tuple[str, ...],
        Meta(
            description="Channels: `trades`, `aggtrades`, `quotes`, `ticker`, `book[:LEVELS][@SPEED]`, "
            "`bars:INTERVAL[@trades|@aggtrades]`, `mark`, `index`, `funding`, `open_interest`, `liquidations`, "
            "`status`.",
            min_length=1,
        ),
    ]
    rest_url: Annotated[str | None, REST_URL] = None
    ws_url: Annotated[str | None, WS_URL] = None
    mode: ModeSetting = None
    realtime_source: SourceSetting = None
    enable_websocket: WebsocketSetting = None
    fallback_to_polling: FallbackSetting = None
    websocket_priority: Annotated[
        int | None,
        Meta(
            description="Who keeps a stream where the venue takes fewer topics than are wanted: the highest first, "
            "then in the order of the file. Left out: 0.",
            extra={"unit": ""},
        ),
    ] = None


class StoreConfig(Settings, frozen=True, kw_only=True):
    """Where and how events are stored."""

    path: Annotated[
        Text | None,
        Meta(description="Folder of the store, made where missing; relative to the working directory, `~` is home."),
    ] = None
    batch_size: Annotated[Count, Meta(description="Rows after which a batch is written.", extra={"unit": "rows"})] = 500
    batch_timeout_s: Annotated[Seconds, Meta(description="Age after which a batch is written, full or not.")] = 0.25
    flush: Annotated[
        Literal["normal", "fast"],
        Meta(
            description="`normal` writes batches by size and age; `fast` writes each row as it comes, with those that "
            "came meanwhile: other processes see it within milliseconds, for more CPU and more writes."
        ),
    ] = "normal"
    queue_bytes: Annotated[
        Bytes,
        Meta(
            description="What may wait while the disk is full or the store locked; past it the oldest events go, "
            "counted and recorded as a gap."
        ),
    ] = 64 * 2**20
    tape: Annotated[
        bool | None,
        Meta(
            description="Record every raw frame, both directions. Left out: where a stream has quotes or books, "
            "which only a tape holds."
        ),
    ] = None
    tape_segment_mb: Annotated[
        MebiBytes, Meta(description="Compressed size at which a tape goes on in a new file.")
    ] = 64.0

    @property
    def folder(self) -> Path | None:
        """`path` with `~` read as home; None where nothing is to be stored."""
        return Path(self.path).expanduser() if self.path is not None else None


class BarsConfig(Settings, frozen=True, kw_only=True):
    """Bars built from trades."""

    lateness_s: Annotated[
        Annotated[float, Meta(ge=0, le=YEAR_S)],
        Meta(description="How long after its end a bar waits for late trades before it closes."),
    ] = 1.0
    late_limit_s: Annotated[
        Seconds,
        Meta(description="A trade later than this, in event time, is kept and reported, but re-issues no bar."),
    ] = 86_400.0
    empty: Annotated[
        Literal["skip", "carry"],
        Meta(
            description="An interval without a trade: `skip` gives no bar, `carry` one of the last close and no volume."
        ),
    ] = "skip"


class AuditConfig(Settings, frozen=True, kw_only=True):
    """The continuous comparison of what is stored with the venue's own bars and books."""

    enabled: Annotated[bool, Meta(description="Compare while running. `tapeline verify` does it on demand.")] = True
    calls_per_hour: Annotated[
        Annotated[float, Meta(gt=0, le=3600)],
        Meta(
            description="Most REST calls an hour for it, of the whole instance; one call fetches hundreds of bars.",
            extra={"unit": "calls"},
        ),
    ] = 12.0
    every_s: Annotated[Seconds, Meta(description="A series is compared no more often than this.")] = 3600.0
    books: Annotated[bool, Meta(description="Compare maintained books with REST snapshots too.")] = True
    instruments_h: Annotated[
        HoursBetween,
        Meta(
            description="How often the instrument list of each venue is read again, and what changed is kept as a new "
            "version; 0 for never. Also where `enabled` is off. What is traded has `[trade] instruments_h` besides.",
        ),
    ] = 24.0


class AlertsConfig(Settings, frozen=True, kw_only=True):
    """From when on something is worth an alert."""

    enabled: Annotated[
        bool, Meta(description="Watch the instance, and publish an `alert` where something is wrong.")
    ] = True
    data_older_s: Annotated[
        Seconds,
        Meta(description="`stale`: nothing came of a series for this long, nor for twenty times its usual pause."),
    ] = 60.0
    behind_s: Annotated[
        Seconds, Meta(description="`store_behind`: the oldest row that waits for the disk is older.")
    ] = 10.0
    memory_mb_per_hour: Annotated[
        MebiBytes,
        Meta(description="`memory_growth`: more than this was added in an hour, the first ten minutes left out."),
    ] = 100.0
    errors_per_minute: Annotated[
        Annotated[float, Meta(gt=0, le=1e9)],
        Meta(
            description="`error_rate`: more problems (bad frames, failed requests, ...) than this.",
            extra={"unit": "problems"},
        ),
    ] = 60.0
    hold_s: Annotated[
        Seconds,
        Meta(description="`mismatch` and `gap_unrecoverable` stay raised for this long after the last one."),
    ] = 300.0


class LogConfig(Settings, frozen=True, kw_only=True):
    """Logging."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="Least severe lines that are logged.")
    ] = "info"
    format: Annotated[
        Literal["console", "json"], Meta(description="`console` for people, `json` for machines: one object a line.")
    ] = "console"
    file: Annotated[Text | None, Meta(description="Log to this file and not to standard error.")] = None
    max_mb: Annotated[MebiBytes, Meta(description="Size at which the log file is rotated.")] = 20.0
    keep: Annotated[
        Annotated[int, Meta(ge=1, le=1000)], Meta(description="Rotated log files kept.", extra={"unit": "files"})
    ] = 5


class Config(Settings, frozen=True, kw_only=True):
    """Everything that can be set."""

    store: StoreConfig = StoreConfig()
    connection: ConnectionConfig = ConnectionConfig()
    sync: SyncConfig = SyncConfig()
    venue: Mapping[str, VenueConfig] = MappingProxyType({})
    account: Mapping[str, AccountConfig] = MappingProxyType({})
    stream: tuple[StreamConfig, ...] = ()
    bars: BarsConfig = BarsConfig()
    audit: AuditConfig = AuditConfig()
    alerts: AlertsConfig = AlertsConfig()
    trade: TradeConfig = TradeConfig()
    strategy: tuple[StrategyConfig, ...] = ()
    risk: RiskConfig = RiskConfig()
    watch: WatchConfig = WatchConfig()
    flatten: FlattenConfig = FlattenConfig()
    log: LogConfig = LogConfig()
    mode: ModeSetting = None
    realtime_source: SourceSetting = None
    enable_websocket: WebsocketSetting = None
    fallback_to_polling: FallbackSetting = None
    repair: Annotated[
        bool,
        Meta(
            description="Fill gaps from the venue's REST history, as they are found and after a restart. `false` keeps "
            "gaps as they were recorded."
        ),
    ] = True
    seed: Annotated[
        int | None,
        Meta(description="Seed of all chance in the instance (jitter, spread of re-dials). Left out: new each time."),
    ] = None
