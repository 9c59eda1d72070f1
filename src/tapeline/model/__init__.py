"""Values every layer shares. Imports nothing of ours but errors."""
