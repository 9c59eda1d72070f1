"""History into a store: over REST, and from files."""
