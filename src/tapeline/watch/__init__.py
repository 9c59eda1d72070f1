"""Health of what trades, and the stop that works without the engine. Sibling of `control`; never imports `app`."""
