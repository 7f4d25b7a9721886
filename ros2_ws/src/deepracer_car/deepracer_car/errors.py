"""Everything that can go wrong and is not our own fault.

::

    DeepRacerError
    ├── ConfigError       a file, key, value or option the user gave cannot be used
    ├── TrackError        a track cannot be found, read or driven on
    ├── RewardError       the user's reward function failed, or returned no usable number
    ├── ModelError        a model bundle is missing, damaged, or cannot be run here
    │   └── NotANumberError   a network answered with something that is not a finite number
    ├── RunError          a run directory or checkpoint is missing, in use, taken or damaged
    └── SimulatorError    the simulator stopped answering or was used wrongly

Every message says what was given, what is allowed and what to do.
"""

from __future__ import annotations

import difflib
from typing import Iterable


class DeepRacerError(Exception):
    """Root of all errors that are reported to the user without a traceback."""


class ConfigError(DeepRacerError):
    """A file, key, value or option the user gave cannot be used."""


class TrackError(DeepRacerError):
    """A track cannot be found, read or driven on."""


class RewardError(DeepRacerError):
    """The user's reward function failed, or returned no usable number."""


class ModelError(DeepRacerError):
    """A model bundle is missing, damaged, or cannot be run here."""


class NotANumberError(ModelError):
    """A network answered with something that is not a finite number."""


class RunError(DeepRacerError):
    """A run directory or checkpoint is missing, in use, taken or damaged."""


class SimulatorError(DeepRacerError):
    """The simulator stopped answering or was used wrongly."""


def did_you_mean(given: str, allowed: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the allowed name nearest to ``given``, or nothing."""
    by_lower = {name.lower(): name for name in allowed}
    near = difflib.get_close_matches(given.lower(), by_lower, n=1, cutoff=0.6)
    return f" Did you mean '{by_lower[near[0]]}'?" if near else ""
