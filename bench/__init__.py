"""Measures brokerbus and httptrading 1.0.8 side by side, in one run on one machine."""
