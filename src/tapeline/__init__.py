"""Tapeline: market data you can prove."""
