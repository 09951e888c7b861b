"""Compares brokerbus with httptrading 1.0.8 itself, before one and the same simulated broker."""
