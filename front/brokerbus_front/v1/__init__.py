"""The surface under /v1: one table of routes, which is served and documented."""
