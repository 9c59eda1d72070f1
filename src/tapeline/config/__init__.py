"""Configuration: TOML, then TAPELINE_* environment, then the command line, as one frozen typed tree."""

from tapeline.config.account import AccountConfig
from tapeline.config.levels import Place, connection_for, connection_origins, place_of
from tapeline.config.modes import Modes, mode_for
from tapeline.config.risk import RiskConfig
from tapeline.config.sources import Loaded, load, load_for_a_stop, load_with_origins
from tapeline.config.sync import SyncConfig
from tapeline.config.trade import StrategyConfig, TradeConfig
from tapeline.config.tree import (
    AlertsConfig,
    AuditConfig,
    BarsConfig,
    Config,
    ConnectionConfig,
    ConnectionOverrides,
    LogConfig,
    StoreConfig,
    StreamConfig,
    VenueConfig,
)
from tapeline.config.watch import FlattenConfig, WatchConfig
from tapeline.model.secret import Secret

__all__ = [
    "AccountConfig",
    "AlertsConfig",
    "AuditConfig",
    "BarsConfig",
    "Config",
    "ConnectionConfig",
    "ConnectionOverrides",
    "FlattenConfig",
    "Loaded",
    "LogConfig",
    "Modes",
    "Place",
    "RiskConfig",
    "Secret",
    "StoreConfig",
    "StrategyConfig",
    "StreamConfig",
    "SyncConfig",
    "TradeConfig",
    "VenueConfig",
    "WatchConfig",
    "connection_for",
    "connection_origins",
    "load",
    "load_for_a_stop",
    "load_with_origins",
    "mode_for",
    "place_of",
]
