"""The nodes of the car's own software that ours needs, as public descriptions have them.

A process of its own, since the two variants of the message package cannot be in one. It is told on
standard input what goes wrong, and reports on standard output what it does, one JSON object a line:

* ``{"motor": ns, "servo": ns, "neutral": ns, "time": s}``: its pulses after a command came;
* ``{"power": bool}``: the switch of motor and servo was set;
* ``{"camera": bool}``: the camera was switched;
* ``{"picture": s}``: when the first or the last of some pictures was published;
* ``{"latency": s, "seen": bool}``: age of the picture that a command was decided on, where the
  command has a stamp, and whether the camera of this process took it;
* ``{"heard": word}``: what it was told is done.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from typing import Any

import cv2
import numpy as np
import rclpy
from deepracer_interfaces_pkg.msg import CameraMsg, ServoCtrlMsg
from deepracer_interfaces_pkg.srv import ServoGPIOSrv, VideoStateSrv
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from deepracer_car.calibration import PERIOD, Calibration
from deepracer_car.ros import topics

SERVO_SLEEP = 0.02
"""The servo node rests after every command, s."""
CAMERA_PERIOD = 1.0 / 30.0
IS_COMPRESSED = "CompressedImage" in CameraMsg.get_fields_and_field_types()["images"]

STAMPS: set[int] = set()
"""Of the pictures that were published, ns."""


def report(**entries: object) -> None:
    os.write(sys.stdout.fileno(), f"{json.dumps(entries)}\n".encode())  # At once, and whole.


class Servo:
    """Holds the last pulses until something better comes."""

    def __init__(self, node: Node) -> None:
        self._calibration, self._clock = Calibration(), node.get_clock()
        self._servo, self._motor = self._calibration.servo.mid, self._calibration.motor.mid
        node.create_subscription(
            ServoCtrlMsg, "/ctrl_pkg/servo_msg", self._drive, topics.newest_only()
        )
        node.create_subscription(
            ServoCtrlMsg, "/ctrl_pkg/raw_pwm", self._pulse, topics.newest_only()
        )
        node.create_service(ServoGPIOSrv, "/servo_pkg/servo_gpio", self._switch)

    def _drive(self, message: ServoCtrlMsg) -> None:
        motor = self._calibration.motor.pulse(message.throttle)
        servo = self._calibration.servo.pulse(message.angle)
        # A share out of range is passed over: the last pulse stays.
        self._motor = self._motor if motor is None else motor
        self._servo = self._servo if servo is None else servo
        self._report()
        if hasattr(message, "source_stamp"):
            made = rclpy.time.Time.from_msg(message.source_stamp, self._clock.clock_type)
            latency = (self._clock.now() - made).nanoseconds * 1e-9
            report(latency=latency, seen=made.nanoseconds in STAMPS)
        time.sleep(SERVO_SLEEP)

    def _pulse(self, message: ServoCtrlMsg) -> None:
        if 0.0 <= message.throttle <= PERIOD:
            self._motor = int(message.throttle)
        if 0.0 <= message.angle <= PERIOD:
            self._servo = int(message.angle)
        self._report(raw=True)

    def _report(self, **more: object) -> None:
        neutral = self._calibration.motor.mid
        report(motor=self._motor, servo=self._servo, neutral=neutral, time=time.monotonic(), **more)

    def _switch(self, request: Any, response: Any) -> Any:
        report(power=request.enable == 0)
        response.error = 0
        return response


class Control:
    """Passes on what comes for autonomous driving, field by field."""

    def __init__(self, node: Node) -> None:
        self._out = node.create_publisher(ServoCtrlMsg, "/ctrl_pkg/servo_msg", topics.newest_only())
        name = "/deepracer_navigation_pkg/auto_drive"
        node.create_subscription(ServoCtrlMsg, name, self._pass_on, topics.newest_only())

    def _pass_on(self, message: ServoCtrlMsg) -> None:
        self._out.publish(ServoCtrlMsg(angle=message.angle, throttle=message.throttle))


class Camera:
    """Publishes nothing until it is switched on; then what it is told to."""

    def __init__(self, node: Node, on: bool) -> None:
        name = "/camera_pkg/video_mjpeg"
        self._node, self._pictures = node, np.random.default_rng(5)
        self._out = node.create_publisher(CameraMsg, name, topics.every_message(depth=1))
        self._on, self._count = on, 0
        self.does, self.did = "pictures", ""
        node.create_service(VideoStateSrv, "/camera_pkg/media_state", self._switch)
        threading.Thread(target=self._film, daemon=True).start()

    def _switch(self, request: Any, response: Any) -> Any:
        self._on = bool(request.activate_video)
        report(camera=self._on)
        response.error = 0
        return response

    def _film(self) -> None:
        published = 0.0
        while True:
            does = self.does if self._on else "silence"
            if does != "silence":
                self._out.publish(CameraMsg(images=self._images(does)))
            if does == "pictures":
                published = time.monotonic()
            elif self.did == "pictures":
                report(picture=published)
            if does == "pictures" and self.did != "pictures":
                report(picture=published)
            self.did = does
            time.sleep(CAMERA_PERIOD)

    def _images(self, does: str) -> list[Any]:
        if does == "no picture":
            return []
        pixels = self._pictures.integers(0, 256, (3, 4, 3)).astype(np.uint8)
        pixels = pixels.repeat(40, axis=0).repeat(40, axis=1)
        self._count += 1
        if IS_COMPRESSED:
            data = cv2.imencode(".jpg", pixels)[1].tobytes()
            image = CompressedImage(format="bgr8; jpeg compressed bgr8")
            now = self._node.get_clock().now()
            STAMPS.add(now.nanoseconds)
            image.header.stamp = now.to_msg()
            image.header.frame_id = str(self._count)
        else:
            data = pixels.tobytes()
            image = Image(encoding="bgr8", height=120, width=160, step=480)
        image.data = data[: len(data) // 3] if does == "garbage" else data
        return [image]


def listen(camera: Camera | None) -> None:
    """Do what standard input says: what the camera does from now on."""
    for line in sys.stdin:
        word = line.strip()
        if camera is not None:
            camera.does = word
            while camera.did not in (word, "silence"):
                time.sleep(0.001)
        report(heard=word)
    os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--camera", "--camera-on", "--servo", "--control"):
        parser.add_argument(name, action="store_true")
    chosen = parser.parse_args()
    rclpy.init()
    node = Node("simulated_car")
    camera = Camera(node, chosen.camera_on) if chosen.camera else None
    if chosen.control:
        Control(node)
    if chosen.servo:
        Servo(node)
    threading.Thread(target=listen, args=[camera], daemon=True).start()
    report(ready=True)
    rclpy.spin(node)


if __name__ == "__main__":
    main()
