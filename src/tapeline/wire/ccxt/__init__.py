"""The bridge to ccxt: its exchanges as one more transport. ccxt itself is imported when the first one is asked for."""
