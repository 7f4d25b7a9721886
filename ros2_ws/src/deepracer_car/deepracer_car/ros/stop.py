"""Stops the car, whatever runs on it and whatever has died: ``ros2 run deepracer_car stop``.

First through the kernel, which takes no time and needs no node; then through the car's servo node,
if there is one. A service manager should run it when the driving has ended, however it ended.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any, List, Optional

from deepracer_car.calibration import FILE, Calibration
from deepracer_car.errors import ConfigError
from deepracer_car.hardware import SYSTEM, cut_power, stand

REPEAT_SECONDS = 0.02
TIMES = 6
"""How often a servo node is told, once it is there: a message can be lost."""
PATIENCE = 5.0
"""Longest wait for a servo node, s; to be found it takes up to three."""


def main(arguments: Optional[List[str]] = None) -> int:
    """Stop the car; returns 1 if there was nothing that could be told to."""
    options = _options(arguments)
    calibration = _calibration(options.calibration)
    # The pulses first: a motor that gets power again must find the one that means a standstill.
    done = stand(calibration, options.system) + cut_power(options.system)
    _tell(done)
    told: List[str] = []
    try:
        if options.timeout > 0.0:
            told = _through_nodes(calibration, options.timeout)
    except (ConfigError, ImportError) as error:
        sys.stderr.write(f"The servo node is not told: {error}\n")
    _tell(told)
    if done or told:
        return 0
    sys.stderr.write(
        "error: Neither the kernel nor a servo node could be told to stop the car. Run this on the "
        "car, as root, with the setup file of the car's software sourced; or pull the battery.\n"
    )
    return 1


def _options(arguments: Optional[List[str]]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="stop", description="Stop the car and cut its power.")
    parser.add_argument("--calibration", type=Path, default=FILE, help="calibration file")
    parser.add_argument(
        "--timeout",
        type=float,
        default=PATIENCE,
        help="longest wait for the servo node, s; 0: it is not told",
    )
    parser.add_argument("--system", type=Path, default=SYSTEM, help="where the kernel shows itself")
    known, _ = parser.parse_known_args(arguments)  # The rest is for ROS.
    return known


def _calibration(path: Path) -> Calibration:
    try:
        return Calibration.load(path)
    except ConfigError as error:
        sys.stderr.write(f"The default calibration is used: {error}\n")
        return Calibration()


def _through_nodes(calibration: Calibration, timeout: float) -> List[str]:
    """Tell the servo node; returns what was done, in words."""
    import rclpy
    from rclpy.context import Context
    from rclpy.node import Node

    from deepracer_car.ros.servo_output import car_messages

    messages, services = car_messages(), car_messages("srv")
    context = Context()
    rclpy.init(context=context)
    node = Node("stop", context=context)
    try:
        return _tell_servo_node(node, messages, services, calibration, timeout)
    finally:
        node.destroy_node()
        rclpy.try_shutdown(context=context)


def _tell_servo_node(
    node: Any, messages: Any, services: Any, calibration: Calibration, timeout: float
) -> List[str]:
    from rclpy.executors import SingleThreadedExecutor

    from deepracer_car.ros.servo_output import (
        OFF,
        RAW_PULSES,
        SERVO_MESSAGE,
        SWITCH,
        servo_message,
    )
    from deepracer_car.ros.topics import every_message

    now = node.get_clock().now().to_msg()
    standing = {
        SERVO_MESSAGE: servo_message(0.0, 0.0, now),
        RAW_PULSES: servo_message(calibration.servo.mid, calibration.motor.mid, now),
    }
    publishers = {
        topic: node.create_publisher(messages.ServoCtrlMsg, topic, every_message(depth=1))
        for topic in standing
    }
    switch = node.create_client(services.ServoGPIOSrv, SWITCH)
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    asked, heard = None, dict.fromkeys(publishers, 0)
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        for topic, publisher in publishers.items():
            publisher.publish(standing[topic])
            heard[topic] += int(publisher.get_subscription_count() > 0)
        if asked is None and switch.service_is_ready():
            asked = switch.call_async(services.ServoGPIOSrv.Request(enable=OFF))
        executor.spin_once(timeout_sec=REPEAT_SECONDS)
        if asked is not None and asked.done() and min(heard.values()) >= TIMES:
            break
    told = [f"{topic}: stand" for topic, times in heard.items() if times]
    if asked is not None and asked.done() and not asked.result().error:
        told.append(f"{SWITCH}: off")
    return told


def _tell(lines: List[str]) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    raise SystemExit(main())
