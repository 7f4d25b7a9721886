"""Stay near the centre line, and be quick about it."""


def reward_function(params):
    """Reward speed, most of it on the centre line and none at the border of the road."""
    if params["is_offtrack"]:
        return 0.001
    half_width = 0.5 * params["track_width"]
    offset = params["distance_from_center"] / half_width
    return max(0.001, 1.0 - offset**2) * params["speed"]
