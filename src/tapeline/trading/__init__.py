"""Decisions: strategies, risk, orders, the ledger, matching. Pure: time comes as an argument, commands come out."""
