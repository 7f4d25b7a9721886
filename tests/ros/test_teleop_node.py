"""Velocities as joysticks send them become what the car understands."""

from __future__ import annotations

from contextlib import suppress
from math import degrees, radians, tan

import pytest

from deepracer_car.errors import SimulatorError
from deepracer_car.spec import CarSpec
from deepracer_sim.drive_geometry import steering_angle_of

LIMIT = CarSpec().max_steering_angle


@pytest.mark.parametrize("speed", [0.3, 1.0, 4.0, -1.0])
@pytest.mark.parametrize("angle", [-25.0, -3.0, 0.0, 10.0, 29.9])
def test_the_angle_turns_the_car_as_fast_as_asked(speed: float, angle: float) -> None:
    yaw_rate = speed * tan(radians(angle)) / CarSpec().wheelbase
    assert degrees(steering_angle_of(speed, yaw_rate)) == pytest.approx(angle)


@pytest.mark.parametrize(
    ("speed", "yaw_rate", "angle"),
    [
        (0.0, 0.5, LIMIT),
        (0.0, -0.5, -LIMIT),
        (0.0, 0.0, 0.0),
        (0.5, 9.0, LIMIT),
        (-0.5, 9.0, -LIMIT),
    ],
)
def test_a_turn_too_tight_is_full_lock(speed: float, yaw_rate: float, angle: float) -> None:
    assert steering_angle_of(speed, yaw_rate) == angle


def test_a_joystick_drives(start_node) -> None:  # type: ignore[no-untyped-def]
    pytest.importorskip("rclpy", reason="ROS 2 is not installed")
    from geometry_msgs.msg import Twist
    from std_msgs.msg import Float64

    from deepracer_car.ros import topics
    from deepracer_sim.ros.link import Link

    start_node("deepracer_sim.ros.teleop_node")
    link, qos, came = Link("joystick"), topics.every_message(), {}
    stick = link.publisher(Twist, topics.VELOCITY, qos)
    for topic in (topics.SERVO, topics.THROTTLE):
        link.subscription(
            Float64, topic, lambda m, topic=topic: came.__setitem__(topic, m.data), qos
        )
    message = Twist()
    message.linear.x, message.angular.z = 1.5, 2.0
    try:
        link.wait_for_subscriber(stick)
        for _ in range(60):  # what is said before all have found each other is lost
            stick.publish(message)
            with suppress(SimulatorError):
                link.wait_for(lambda: len(came) == 2, "the car hears nothing", 1.0)
                break
    finally:
        link.close()
    assert came == {
        topics.SERVO: pytest.approx(steering_angle_of(1.5, 2.0)),
        topics.THROTTLE: 1.5,
    }
