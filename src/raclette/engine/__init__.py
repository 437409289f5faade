"""The contract of a consensus engine: events in, effects out. No algorithm lives here."""
