"""Follow the centre line: the nearer, the better.

A parabola instead of steps: every centimetre counts, and the more, the further out the car is.
Learns fast and drives safely, but never cuts a corner.
"""


def reward_function(params):
    if not params["all_wheels_on_track"]:
        return 1e-3

    half_width = 0.5 * params["track_width"]
    offset = params["distance_from_center"] / half_width  # 0 on the line, 1 at the border
    return max(1.0 - offset**2, 1e-3)
