"""A worker that is a program of its own, and closes more than it has opened."""

import os

import poold
from poold.worker import channel

channel.tell_step("closing")  # as `python3 -m poold.worker` does
os.closerange(3, 1 << 20)
poold.Worker().serve([print])
