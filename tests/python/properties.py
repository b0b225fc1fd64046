"""How tests of properties run: apart from `support`, as hypothesis takes longer to load than most tests do."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# No clock judges them, and nothing is written beside the sources.
QUICK = settings(
    max_examples=100,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
