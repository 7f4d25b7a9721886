"""Point the car at where the road goes.

Looks at the waypoint about LOOK_AHEAD metres further on, and pays for pointing there. Unlike the
direction of the nearest piece of road, that leads into a bend in time.
"""

import math

LOOK_AHEAD = 0.9  # metres


def reward_function(params):
    if params["is_offtrack"]:
        return 1e-3

    target_x, target_y = waypoint_ahead(params["waypoints"], params["closest_waypoints"][1])
    direction = math.degrees(math.atan2(target_y - params["y"], target_x - params["x"]))
    # The difference of two angles, brought to -180 ... 180 degrees.
    error = (direction - params["heading"] + 180.0) % 360.0 - 180.0

    aim = max(math.cos(math.radians(error)), 0.0)
    offset = 2.0 * params["distance_from_center"] / params["track_width"]
    return max(aim * (1.0 - 0.5 * min(offset, 1.0)), 1e-3)


def waypoint_ahead(waypoints, index):
    """Walk along the waypoints from `index` for LOOK_AHEAD metres, round the track if need be."""
    walked = 0.0
    for _ in range(len(waypoints)):
        here, index = waypoints[index], (index + 1) % len(waypoints)
        walked += math.dist(here, waypoints[index])
        if walked >= LOOK_AHEAD:
            break
    return waypoints[index]
