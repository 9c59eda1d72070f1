"""Strategies at work: who executes the engine's commands, in a backtest, on paper and live."""
