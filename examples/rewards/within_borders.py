"""Stay on the road and choose your own line.

Everywhere is as good as anywhere, up to a margin beside the border; there the reward fades, so that
the car notices the edge before it is over it. Faster is better, which makes standing still
pointless.
"""

MARGIN = 0.15  # metres beside the border in which the reward fades
TOP_SPEED = 4.0  # m/s


def reward_function(params):
    if not params["all_wheels_on_track"]:
        return 1e-3

    to_border = 0.5 * params["track_width"] - params["distance_from_center"]
    room = min(max(to_border / MARGIN, 0.0), 1.0)
    return max(room * (0.5 + 0.5 * params["speed"] / TOP_SPEED), 1e-3)
