"""Hybrid consensus: proof of work elects a committee, the committee orders."""
