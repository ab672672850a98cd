"""The engine room: all that knows how Pydra works inside."""
