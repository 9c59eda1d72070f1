"""The only disk writers."""
