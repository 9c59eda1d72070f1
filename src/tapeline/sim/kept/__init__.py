"""Kept days: an instance with store, ledger and repair in a world from one seed, held against the truth."""
