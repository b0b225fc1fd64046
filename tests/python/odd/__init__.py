"""Targets that a worker may be pointed at."""
