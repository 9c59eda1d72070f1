"""One account at a venue: its keys, what is signed with them, and its private streams kept alive."""
