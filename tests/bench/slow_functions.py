"""The same behind an import that takes its time, as of a large library."""

import time

from echo_functions import echo

__all__ = ["echo"]

time.sleep(2)
