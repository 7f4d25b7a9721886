"""Who drives: from what the car sees to what the action space decodes."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from deepracer_car.action_space import ActionSpace, DiscreteActionSpace
from deepracer_car.errors import ModelError, NotANumberError
from deepracer_car.model_bundle import ModelBundle
from deepracer_car.observation import OBSERVATION_SHAPE

INPUT = "observation"
"""(batch, 1, 120, 160) uint8, 0 to 255."""
OUTPUT = "policy"
"""(batch, actions) float32: how much each action is preferred (logits); of a continuous action
space (batch, 2): steering angle and speed, -1 to 1 being its range."""


class Policy(Protocol):
    """Drives without exploring: the same picture gives the same answer."""

    def predict(self, observations: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """Answer what cars see, (N, 1, 120, 160), in the form that `ActionSpace.decode` takes."""
        ...


class OnnxPolicy:
    """The network of a bundle in ONNX Runtime, on one thread."""

    def __init__(self, bundle: ModelBundle) -> None:
        """Load the network and try it on one picture.

        Raises:
            ModelError: ONNX Runtime is not installed or refuses the network, or the network does
                not fit its metadata.
        """
        self._file = bundle.policy
        self._is_discrete = isinstance(bundle.metadata.action_space, DiscreteActionSpace)
        self._session = _open_session(bundle)
        values = answer_count(bundle.metadata.action_space)
        blank = np.zeros((1, *OBSERVATION_SHAPE), dtype=np.uint8)
        try:
            answer = self.answers(blank)
        except Exception as error:  # ONNX Runtime's errors have no base in common
            raise ModelError(
                f"{bundle.policy} does not take {INPUT} {blank.shape} uint8 and give {OUTPUT}: "
                f"{error}"
            ) from None
        if answer.shape != (1, values):
            raise ModelError(
                f"{bundle.policy} gives {OUTPUT} {answer.shape}; the action space of its metadata "
                f"needs (1, {values}). The two belong to different models: export the bundle again."
            )
        self.predict(blank)

    def answers(self, observations: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return the network's output for observations (N, 1, 120, 160); see `OUTPUT`."""
        (answers,) = self._session.run([OUTPUT], {INPUT: observations})
        return np.asarray(answers)

    def predict(self, observations: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """Choose for observations (N, 1, 120, 160): the positions (N,) of the preferred actions.

        Of a continuous action space: (N, 2), not yet clipped.

        Raises:
            NotANumberError: the network is broken.
        """
        answers = self.answers(observations)
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


def _open_session(bundle: ModelBundle) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise ModelError(
            "ONNX Runtime is needed to drive with a model bundle and is not installed: "
            "pip install onnxruntime."
        ) from None
    options = onnxruntime.SessionOptions()
    # One thread: the network is small, and the others have a camera and wheels to look after.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(
            str(bundle.policy), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime's errors have no base in common
        raise ModelError(f"{bundle.policy} cannot be run by ONNX Runtime: {error}") from None
