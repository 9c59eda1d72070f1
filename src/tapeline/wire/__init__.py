"""Talks to venues: sessions, connections, REST."""
