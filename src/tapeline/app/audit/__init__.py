"""Stored bars, trades and books against the venues' own."""
