"""Configuration: TOML, then TAPELINE_* environment, then the command line, as one frozen typed tree."""

from tapeline.config.levels import connection_for, connection_origins
from tapeline.config.secret import Secret
from tapeline.config.sources import Loaded, load, load_with_origins
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

__all__ = [
    "AlertsConfig",
    "AuditConfig",
    "BarsConfig",
    "Config",
    "ConnectionConfig",
    "ConnectionOverrides",
    "Loaded",
    "LogConfig",
    "Secret",
    "StoreConfig",
    "StreamConfig",
    "VenueConfig",
    "connection_for",
    "connection_origins",
    "load",
    "load_with_origins",
]
