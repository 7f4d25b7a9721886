"""Follow the centre line with a calm hand.

Two things cost: steering far, and steering other than a moment ago. The second is what zig-zag is;
a long bend, taken steadily, costs little.
"""

FREE_ANGLE = 15.0  # degrees of steering that cost nothing

last = {"steps": 0, "steering_angle": 0.0}


def reward_function(params):
    steps, angle = params["steps"], params["steering_angle"]
    change = abs(angle - last["steering_angle"]) if steps > last["steps"] else 0.0
    last.update(steps=steps, steering_angle=angle)

    if not params["all_wheels_on_track"]:
        return 1e-3

    offset = 2.0 * params["distance_from_center"] / params["track_width"]
    reward = max(1.0 - offset, 1e-3)
    if abs(angle) > FREE_ANGLE:
        reward *= 0.8
    # From full left to full right is 60 degrees.
    reward *= 1.0 - 0.5 * min(change / 60.0, 1.0)
    return reward
