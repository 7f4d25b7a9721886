"""The reward where a folder brings none: drive on, and near the centre of the road."""

from typing import Any


def reward_function(params: dict[str, Any]) -> float:
    """Pay least off the road and at its border, most for speed along the centre line."""
    if not params["all_wheels_on_track"]:
        return 1e-3
    offset = params["distance_from_center"] / (0.5 * params["track_width"])
    return float(1e-3 + max(0.0, 1.0 - offset) ** 2 * params["speed"])
