"""The fixtures that ship with Tapeline: `simulated_venue` and `world`."""

pytest_plugins = ["tapeline.testing"]
