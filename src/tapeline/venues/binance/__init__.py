"""Binance spot, USD-M futures and Binance US: one family, three values."""

from tapeline.venues.binance.spot import BINANCE, BINANCE_US
from tapeline.venues.binance.usdm import BINANCE_USDM

__all__ = ["BINANCE", "BINANCE_US", "BINANCE_USDM"]
