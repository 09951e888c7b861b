"""Deploys brokerbus: configuration, virtualenvs, supervision and the command line."""
