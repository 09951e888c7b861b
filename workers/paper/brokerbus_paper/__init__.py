"""A broker without SDK: seeded quotes, an order book of its own, an account that survives kill -9."""
