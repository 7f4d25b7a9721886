"""The network of a bundle from elsewhere: it may calculate, and nothing else."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deepracer_car.errors import ModelError
from deepracer_car.model_bundle import ModelBundle
from deepracer_car.policy import OnnxPolicy

ALLOWED = frozenset(
    {
        *("Add", "ArgMax", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat"),
        *("Constant", "Conv", "Div", "Elu", "Flatten", "Gather", "Gemm", "GlobalAveragePool"),
        *("HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "MatMul", "MaxPool", "Mul", "Neg"),
        *("ReduceMean", "Relu", "Reshape", "Resize", "Shape", "Sigmoid", "Slice"),
        *("Softmax", "Sqrt", "Squeeze", "Sub", "Tanh", "Transpose", "Unsqueeze"),
    }
)
"""Operations of policies. Loops, branches and what fills memory by a number are not among them."""


MAX_MEMORY = 2 << 30
"""Bytes that a network may take to answer one picture."""


def try_network(bundle: ModelBundle) -> None:
    """Look through the network of a bundle, and let it answer a picture.

    Raises:
        ModelError: it could do other things than calculate, needs too much memory, or does not
            drive.
    """
    check_network(bundle.policy)
    with _limited_memory():
        OnnxPolicy(bundle)


def check_network(path: Path) -> None:
    """Look through an ONNX file without running it.

    Raises:
        ModelError: it is none, keeps its weights in other files, or has an operation that is not
            among `ALLOWED`.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    except ImportError:
        raise ModelError(
            "onnx is needed to look through the network of a model from elsewhere and is not "
            "installed: pip install onnx."
        ) from None
    model = onnx.ModelProto()
    try:
        model.ParseFromString(path.read_bytes())
    except DecodeError as error:
        raise ModelError(f"{path} is no ONNX file, or it is damaged: {error}.") from None
    if model.functions:
        raise ModelError(f"{path} defines operations of its own, which no policy needs.")
    for message in _messages(model):
        kind = message.DESCRIPTOR.name
        if kind == "NodeProto" and (message.domain or message.op_type not in ALLOWED):
            raise ModelError(
                f"{path} has the operation {message.domain}{' ' * bool(message.domain)}"
                f"{message.op_type}, which is not among those of a policy: {sorted(ALLOWED)}."
            )
        is_elsewhere = kind == "TensorProto" and (
            message.external_data or message.data_location == onnx.TensorProto.EXTERNAL
        )
        if is_elsewhere:
            raise ModelError(
                f"{path} keeps weights in another file. Save it with its weights inside."
            )


@contextmanager
def _limited_memory() -> Iterator[None]:
    """Let the process grow by `MAX_MEMORY` at most, where the system tells how large it is."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (OSError, ValueError):
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = pages * resource.getpagesize() + MAX_MEMORY
    if soft != resource.RLIM_INFINITY:
        limit = min(limit, soft)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _messages(message: Any) -> Iterator[Any]:
    """All messages in a message, itself included."""
    waiting = [message]
    while waiting:
        current = waiting.pop()
        yield current
        for descriptor, value in current.ListFields():
            if descriptor.message_type is not None:
                waiting.extend(value if hasattr(value, "append") else [value])
