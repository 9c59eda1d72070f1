"""The hybrid engine: what is held and proven, what is missing, and how a venue is asked for it."""
