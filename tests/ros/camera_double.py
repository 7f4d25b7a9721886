"""A camera that shows what a test wants, and hears what the car node makes of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import TwistStamped
from sensor_msgs.msg import Image
from std_msgs.msg import Float64

from deepracer_car.errors import SimulatorError
from deepracer_car.ros import topics
from deepracer_sim.ros.link import Link

CHANNELS = {"mono8": 1, "rgb8": 3, "bgr8": 3, "bgra8": 4}


class Camera:
    """Shows pictures and listens to what the node says about them."""

    def __init__(self) -> None:
        qos = topics.every_message()
        self.link = Link("camera")
        self.pictures = self.link.publisher(Image, topics.IMAGE, qos)
        self.decisions = self.link.stream(TwistStamped, topics.DECISION, qos)
        self.reports: list[DiagnosticStatus] = []
        self.link.subscription(DiagnosticArray, topics.DIAGNOSTICS, self._report, qos)
        self.heard: dict[str, list[float]] = {topics.SERVO: [], topics.THROTTLE: []}
        for topic, values in self.heard.items():
            self.link.subscription(Float64, topic, self._into(values), qos)

    def _report(self, message: DiagnosticArray) -> None:
        self.reports += message.status

    def _into(self, values: list[float]) -> Callable[[Float64], None]:
        return lambda message: values.append(message.data)

    def meet(self) -> None:
        """Show pictures until the node has been heard on all topics; the first ones may be lost."""
        for second in range(1, 100):
            self.pictures.publish(picture("mono8", 120, 160, second))
            try:
                self.decide(second, 0.5)
                break
            except SimulatorError:
                continue
        for values in self.heard.values():
            self.link.wait_for(lambda values=values: bool(values), "not heard", 20.0)

    def decide(self, second: int, patience: float = 20.0) -> TwistStamped:
        """Wait for the decision on the picture of that stamp."""
        stamp = second * 10**9
        self.link.wait_for(lambda: self.decisions.stamp == stamp, "no decision", patience)
        return self.decisions.message

    def hear(self, topic: str, value: float) -> None:
        """Wait until ``value`` was the last thing said on ``topic``."""
        self.link.wait_for(
            lambda: bool(self.heard[topic]) and self.heard[topic][-1] == value,
            f"{value} was not heard on {topic}",
            20.0,
        )


def picture(encoding: str, rows: int, columns: int, second: int) -> Image:
    """A few patches of colour; rows are padded by three bytes, as some cameras do."""
    patches = np.random.default_rng(second).integers(0, 256, (3, 4, CHANNELS[encoding]))
    pixels = patches.repeat(rows // 3, axis=0).repeat(columns // 4, axis=1)
    data = np.zeros((rows, columns * CHANNELS[encoding] + 3), dtype=np.uint8)
    data[:, :-3] = pixels.reshape(rows, -1)
    message = Image(encoding=encoding, height=rows, width=columns, step=data.shape[1])
    message.data = data.tobytes()
    message.header.stamp.sec = second
    return message
