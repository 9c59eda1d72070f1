"""The real market as a source of a simulated venue."""
