"""The report of a backtest: one file, which needs nothing from the network."""
