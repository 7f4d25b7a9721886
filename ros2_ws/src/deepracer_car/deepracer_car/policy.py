"""Who drives: from what the car sees to what the action space decodes."""

from __future__ import annotations

from typing import Any, Dict, List, Protocol

import numpy as np
import numpy.typing as npt

from deepracer_car.action_space import ActionSpace, DiscreteActionSpace
from deepracer_car.errors import ModelError, NotANumberError
from deepracer_car.model_bundle import ModelBundle
from deepracer_car.observation import OBSERVATION_HEIGHT, OBSERVATION_WIDTH

INPUT = "observation"
"""(batch, channels, 120, 160) uint8, 0 to 255; two channels, left first, of a pair of cameras."""
LIDAR_INPUT = "lidar"
"""(batch, values) float32, only of models with a lidar: distances, m, or 1 for a sector in which
something is near."""
OUTPUT = "policy"
"""(batch, actions) float32: how much each action is preferred (logits); of a continuous action
space (batch, 2): steering angle and speed, -1 to 1 being its range."""

RUNTIMES = ("onnxruntime", "openvino")
"""What can run the network of a bundle; the first that is installed does."""


class Policy(Protocol):
    """Drives without exploring: the same picture gives the same answer."""

    def predict(self, observations: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """Answer what cars see, (N, 1, 120, 160), in the form that `ActionSpace.decode` takes."""
        ...


class OnnxPolicy:
    """The network of a bundle in ONNX Runtime or OpenVINO, on one thread.

    Attributes:
        runtime: which of `RUNTIMES` runs it.
    """

    def __init__(self, bundle: ModelBundle, runtime: str | None = None) -> None:
        """Load the network and try it on one picture.

        Args:
            bundle: the model.
            runtime: one of `RUNTIMES`; default: the first that is installed.

        Raises:
            ModelError: no runtime is installed or it refuses the network, or the network does not
                fit its metadata.
        """
        self._file = bundle.policy
        metadata = bundle.metadata
        self._is_discrete = isinstance(metadata.action_space, DiscreteActionSpace)
        self._lidar_values = metadata.lidar_values
        self.runtime, self._session = _open_session(bundle, runtime)
        values = answer_count(metadata.action_space)
        size = OBSERVATION_HEIGHT, OBSERVATION_WIDTH
        blank = np.zeros((1, metadata.camera_channels, *size), dtype=np.uint8)
        nothing = np.zeros((1, self._lidar_values), dtype=np.float32)
        try:
            answer = self.answers(blank, nothing if self._lidar_values else None)
        except Exception as error:  # the errors of the runtimes have no base in common
            raise ModelError(
                f"{bundle.policy} does not take {INPUT} {blank.shape} uint8"
                + (f" with {LIDAR_INPUT} {nothing.shape} float32" if self._lidar_values else "")
                + f" and give {OUTPUT}: {error}"
            ) from None
        if answer.shape != (1, values):
            raise ModelError(
                f"{bundle.policy} gives {OUTPUT} {answer.shape}; the action space of its metadata "
                f"needs (1, {values}). The two belong to different models: export the bundle again."
            )
        self.predict(blank, nothing if self._lidar_values else None)

    def answers(
        self, observations: npt.NDArray[np.uint8], lidar: npt.NDArray[np.float32] | None = None
    ) -> npt.NDArray[np.float32]:
        """Return the network's output for observations (N, channels, 120, 160); see `OUTPUT`.

        Raises:
            ModelError: the model looks through a lidar and nothing is given for it, or it has none.
        """
        inputs: Dict[str, npt.NDArray[Any]] = {INPUT: observations}
        if (lidar is None) != (self._lidar_values == 0):
            raise ModelError(
                f"The model's lidar has {self._lidar_values} values; "
                + ("nothing is given for it." if lidar is None else "leave the lidar out.")
            )
        if lidar is not None:
            inputs[LIDAR_INPUT] = lidar
        (answers,) = self._session.run([OUTPUT], inputs)
        return np.asarray(answers)

    def predict(
        self, observations: npt.NDArray[np.uint8], lidar: npt.NDArray[np.float32] | None = None
    ) -> npt.NDArray[Any]:
        """Choose for observations (N, channels, 120, 160): the positions (N,) of preferred actions.

        Of a continuous action space: (N, 2), not yet clipped.

        Raises:
            NotANumberError: the network is broken.
        """
        answers = self.answers(observations, lidar)
        if not np.isfinite(answers).all():
            raise NotANumberError(
                f"{self._file} answers a picture with values that are not numbers. The training "
                "diverged: export an earlier checkpoint."
            )
        return np.argmax(answers, axis=1) if self._is_discrete else answers


def answer_count(action_space: ActionSpace) -> int:
    """How many values a network gives for ``action_space``."""
    if isinstance(action_space, DiscreteActionSpace):
        return len(action_space.actions)
    return 2


def _open_session(bundle: ModelBundle, wanted: str | None) -> tuple[str, Any]:
    """Load the network with the runtime that is wanted, or else with the first that is there."""
    openers = {RUNTIMES[0]: _onnxruntime_session, RUNTIMES[1]: _OpenVinoSession}
    if wanted is not None and wanted not in openers:
        raise ModelError(f"runtime {wanted!r} given, {' or '.join(RUNTIMES)} is allowed.")
    for name in (wanted,) if wanted else RUNTIMES:
        try:
            return name, openers[name](str(bundle.policy))
        except ImportError:
            continue
        except Exception as error:  # the errors of the runtimes have no base in common
            raise ModelError(f"{bundle.policy} cannot be run by {name}: {error}") from None
    raise ModelError(
        f"{wanted or ' or '.join(RUNTIMES)} is needed to drive with a model bundle and is not "
        f"installed: pip install {wanted or RUNTIMES[0]}."
    )


def _onnxruntime_session(path: str) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # One thread: the network is small, and the others have a camera and wheels to look after.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


class _OpenVinoSession:
    """OpenVINO with the call that ONNX Runtime has."""

    def __init__(self, path: str) -> None:
        import openvino

        settings = {
            "INFERENCE_NUM_THREADS": 1,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            # Some processors would otherwise calculate in 16 bits and choose other actions.
            "INFERENCE_PRECISION_HINT": "f32",
        }
        compiled = openvino.Core().compile_model(path, "CPU", settings)
        self._inputs = {name for port in compiled.inputs for name in port.get_names()}
        self._request = compiled.create_infer_request()

    def run(
        self, outputs: List[str], inputs: Dict[str, npt.NDArray[Any]]
    ) -> List[npt.NDArray[Any]]:
        if missing := self._inputs - set(inputs):
            raise ValueError(f"nothing is given for its input {' and '.join(sorted(missing))}")
        self._request.infer(inputs)
        return [np.array(self._request.get_tensor(name).data) for name in outputs]
