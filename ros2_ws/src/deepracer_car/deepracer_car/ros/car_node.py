"""The node that drives: camera picture in, steering angle and speed out."""

from __future__ import annotations

import time
from typing import Any, List

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import TwistStamped
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Float64

from deepracer_car.model_bundle import ModelBundle
from deepracer_car.observation import preprocess
from deepracer_car.policy import OnnxPolicy
from deepracer_car.ros import topics
from deepracer_car.ros.images import to_array
from deepracer_car.ros.node import spin

PARAMETERS = (
    ("model", "", "Folder of a model bundle: what `deepracer export RUN --to bundle` writes."),
    ("reliable_camera", False, "Let no picture be lost, for simulators that wait for a decision."),
)
REPORT_SECONDS = 1.0


class CarNode(Node):
    """Decides on the newest camera picture by the network of a model bundle."""

    def __init__(self) -> None:
        """Load the bundle and look out for pictures.

        Raises:
            ModelError: the bundle cannot be driven with.
        """
        super().__init__("car_node")
        model, reliable = (self._declare(*parameter) for parameter in PARAMETERS)
        bundle = ModelBundle.open(model)
        self._model = bundle.name
        self._action_space = bundle.metadata.action_space
        self._policy = OnnxPolicy(bundle)
        self._latencies: List[float] = []
        qos = topics.every_message()
        self._servo = self.create_publisher(Float64, topics.SERVO, qos)
        self._throttle = self.create_publisher(Float64, topics.THROTTLE, qos)
        self._decisions = self.create_publisher(TwistStamped, topics.DECISION, qos)
        self._diagnostics = self.create_publisher(DiagnosticArray, topics.DIAGNOSTICS, qos)
        camera = topics.every_message(depth=1) if reliable else topics.newest_only()
        self._camera = self.create_subscription(Image, topics.IMAGE, self._see, camera)
        self._reported = time.monotonic()
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(REPORT_SECONDS, self._report, clock=steady)
        self.get_logger().info(
            f"{bundle.name} drives: {bundle.path}, {bundle.metadata.action_space_type} action space"
        )

    def destroy_node(self) -> None:
        """Stop the car, then go."""
        self._drive(0.0, 0.0)
        super().destroy_node()

    def _declare(self, name: str, default: Any, description: str) -> Any:
        descriptor = ParameterDescriptor(description=description, read_only=True)
        return self.declare_parameter(name, default, descriptor).value

    def _see(self, image: Any) -> None:
        came = time.perf_counter()
        observation = preprocess(to_array(image))
        answer = self._policy.predict(observation[None])
        ((steering_angle, speed),) = self._action_space.decode(answer).tolist()
        self._drive(steering_angle, speed)
        decision = TwistStamped(header=image.header)
        decision.header.frame_id = topics.BASE_FRAME
        decision.twist.linear.x, decision.twist.angular.z = speed, steering_angle
        self._decisions.publish(decision)
        self._latencies.append(time.perf_counter() - came)

    def _drive(self, steering_angle: float, speed: float) -> None:
        self._servo.publish(Float64(data=steering_angle))
        self._throttle.publish(Float64(data=speed))

    def _report(self) -> None:
        """Tell how the driving goes, once a second."""
        now = time.monotonic()
        seconds, self._reported = now - self._reported, now
        latencies, self._latencies = sorted(self._latencies), []
        status = DiagnosticStatus(name=self.get_fully_qualified_name(), hardware_id="deepracer")
        values = {"model": self._model, "frames_per_second": f"{len(latencies) / seconds:.1f}"}
        if latencies:
            status.level, status.message = DiagnosticStatus.OK, "driving"
            values["latency_ms"] = f"{1e3 * latencies[len(latencies) // 2]:.2f}"
            values["longest_latency_ms"] = f"{1e3 * latencies[-1]:.2f}"
        else:
            status.level = DiagnosticStatus.WARN
            status.message = f"no picture came on topic {self._camera.topic_name}"
        status.values = [KeyValue(key=key, value=value) for key, value in values.items()]
        report = DiagnosticArray(status=[status])
        report.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(report)


def main() -> int:
    """Run the node until it is told to stop."""
    return spin(CarNode)


if __name__ == "__main__":
    raise SystemExit(main())
