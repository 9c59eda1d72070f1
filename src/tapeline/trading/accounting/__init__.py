"""The ledger: lots, positions, wallets, payments; each fill counted once. Pure and exact."""
