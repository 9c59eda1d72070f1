"""Events to state: bars, books, watermarks. Pure."""
