"""Orders exactly once, whatever dies: processes are killed and the simulated vendors counted."""
