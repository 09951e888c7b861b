"""Serves one Futu or moomoo account behind OpenD to the brokerbus worker host."""
