"""A rank above 0 that rank 0 has started: ``python -m deepracer_agent.rank``."""

from __future__ import annotations

import os
import sys

from deepracer_agent.training import follow

if __name__ == "__main__":
    follow()
    sys.stdout.flush()
    # All is done and rank 0 does the rest; gloo's threads now and then abort an orderly exit.
    os._exit(0)
