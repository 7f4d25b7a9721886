"""The nodes of a TensorFlow 1 ``GraphDef``, read from protobuf's wire format without TensorFlow.

Files may come from anywhere: whatever is in them, they are read to the end or refused.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from deepracer_car.errors import ModelError

MAX_NODES = 100_000

_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
_TYPES = {1: "<f4", 2: "<f8", 3: "<i4", 4: "u1", 6: "i1", 9: "<i8", 10: "?", 19: "<f2"}
"""Of the numbers in a tensor, as TensorFlow counts them."""
_LISTED = {5: "<f4", 6: "<f8"}
"""Fields of a tensor that holds its numbers one by one; whole ones are written as varints."""
_WHOLE = (7, 10, 11)


@dataclass(frozen=True, eq=False)
class Node:
    """One operation.

    Attributes:
        name: unique in the graph.
        op: what it does, such as ``Conv2D``.
        inputs: names of the nodes it takes, as written.
        attributes: numbers, switches, texts, lists of whole numbers, shapes (tuples, -1 for any
            size; None for any shape at all) and tensors (arrays); None for what is of another kind.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    attributes: dict[str, Any]


def read_nodes(content: bytes) -> list[Node]:
    """Read the nodes of a ``GraphDef`` in the order of the file.

    Raises:
        ModelError: it is none, or damaged.
    """
    nodes: list[Node] = []
    try:
        for field, value in _fields(memoryview(content)):
            if field == 1:
                nodes.append(_node(_view(value)))
            if len(nodes) > MAX_NODES:
                raise ValueError(f"more than {MAX_NODES} nodes")
    except (ValueError, IndexError, OverflowError, struct.error) as error:
        raise ModelError(
            f"This is not a frozen TensorFlow graph, or it is damaged: {error}."
        ) from None
    if not nodes:
        raise ModelError("This is not a frozen TensorFlow graph: there are no nodes in it.")
    return nodes


def _node(content: memoryview) -> Node:
    name, op, inputs, attributes = "", "", [], {}
    for field, value in _fields(content):
        if field == 1:
            name = _text(value)
        elif field == 2:
            op = _text(value)
        elif field == 3:
            inputs.append(_text(value))
        elif field == 5:
            entry = dict(_fields(_view(value)))
            if 1 in entry and 2 in entry:
                attributes[_text(entry[1])] = _attribute(_view(entry[2]))
    if not name or not op:
        raise ValueError("a node has no name or does nothing")
    return Node(name, op, tuple(inputs), attributes)


def _attribute(content: memoryview) -> Any:
    for field, value in _fields(content):
        if field == 1:
            return [n for f, v in _fields(_view(value)) if f == 3 for n in _integers(v)]
        if field == 2:
            return bytes(_view(value)).decode(errors="replace")
        if field in (3, 6):
            return _signed(_whole(value))
        if field == 4:
            return struct.unpack("<f", _view(value))[0]
        if field == 5:
            return bool(value)
        if field == 7:
            return _shape(_view(value))
        if field == 8:
            return _tensor(_view(value))
    return None


def _shape(content: memoryview) -> tuple[int, ...] | None:
    sizes: list[int] = []
    for field, value in _fields(content):
        if field == 2:
            sizes.append(_signed(_whole(dict(_fields(_view(value))).get(1, 0))))
        elif field == 3 and value:
            return None
    return tuple(sizes)


def _tensor(content: memoryview) -> npt.NDArray[Any] | None:
    """The numbers, or None where they are of no kind that a network calculates with."""
    kind, numbers = 0, None
    shape: tuple[int, ...] = ()
    listed: list[Any] = []
    for field, value in _fields(content):
        if field == 1:
            kind = _whole(value)
        elif field == 2:
            shape = _shape(_view(value)) or ()
        elif field == 4:
            numbers = _view(value)
        elif field in _LISTED:
            listed.extend(np.frombuffer(_view(value), _LISTED[field]).tolist())
        elif field in _WHOLE:
            listed.extend(_integers(value))
    if kind not in _TYPES:
        return None
    if numbers is not None:
        return np.frombuffer(numbers, _TYPES[kind]).reshape(shape)
    array = np.array(listed or [0], dtype=_TYPES[kind])
    # One number may stand for a whole tensor; it takes no memory then.
    return np.broadcast_to(array, shape) if len(array) == 1 else array.reshape(shape)


def _fields(content: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The fields of a message with their values, in the order of the file."""
    position, end = 0, len(content)
    while position < end:
        key, position = _varint(content, position)
        field, wire = key >> 3, key & 7
        if wire == _VARINT:
            number, position = _varint(content, position)
            yield field, number
            continue
        if wire == _BYTES:
            size, position = _varint(content, position)
        elif wire in (_FOUR_BYTES, _EIGHT_BYTES):
            size = 4 if wire == _FOUR_BYTES else 8
        else:
            raise ValueError(f"field {field} is of an unknown kind")
        if size > end - position:
            raise ValueError("it ends in the middle of a field")
        yield field, content[position : position + size]
        position += size


def _varint(content: memoryview, position: int) -> tuple[int, int]:
    number = shift = 0
    while shift < 70:
        byte = content[position]
        position += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, position
        shift += 7
    raise ValueError("a number is too long")


def _integers(value: int | memoryview) -> list[int]:
    """One number, or many that are packed."""
    if isinstance(value, int):
        return [_signed(value)]
    numbers, position = [], 0
    while position < len(value):
        number, position = _varint(value, position)
        numbers.append(_signed(number))
    return numbers


def _signed(number: int) -> int:
    return number - 2**64 if number >= 2**63 else number


def _view(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number stands where a text or message belongs")
    return value


def _whole(value: int | memoryview) -> int:
    if not isinstance(value, int):
        raise ValueError("a text or message stands where a number belongs")
    return value


def _text(value: int | memoryview) -> str:
    return bytes(_view(value)).decode()
