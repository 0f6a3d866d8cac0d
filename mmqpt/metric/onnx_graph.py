"""What an ONNX file holds, as far as it must be known before the file is run. Read without the package onnx.

An ONNX file is a Protocol Buffers message: fields, each a number, a type and a value. Only the fields named here are
looked at; the rest is skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from mmqpt.core.errors import InputError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_NUMBERS = 1 << 29  # of fields, which other readers may take modulo 2 ** 29
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14  # of a tensor

# Messages within messages: kind of message -> number of a field -> kind of that field's message.
_INNER = {
    'graph': {1: 'node', 5: 'tensor', 15: 'sparse'},
    'node': {5: 'attribute'},
    'attribute': {5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse', 23: 'sparse'},
    'sparse': {1: 'tensor', 2: 'tensor'},
    'tensor': {},
}  # fmt: skip
_GRAPH, _METADATA, _TRAINING, _FUNCTIONS = 7, 14, 20, 25  # of the model
_INPUT, _OUTPUT = 11, 12  # of the graph
_OPERATOR, _DOMAIN = 4, 7  # of a node


@dataclass
class OnnxGraph:
    """What a file holds.

    Args:
        metadata: of the model.
        inputs: of the graph: name -> shape, 0 for sides that are not fixed.
        outputs: of the graph.
        operators: domain and name of the operators of all nodes, those of inner graphs included.
        has_functions: whether there are functions or training steps.
        has_external: whether a tensor lies in another file.
    """

    metadata: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, tuple[int, ...]] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)
    operators: set[tuple[str, str]] = field(default_factory=set)
    has_functions: bool = False
    has_external: bool = False


def read_graph(data: bytes) -> OnnxGraph:
    """Look at the bytes of a file.

    Raises:
        InputError: no ONNX file, or a damaged one.
    """
    found = OnnxGraph()
    graphs: list[memoryview] = []
    try:
        for number, value in _fields(memoryview(data)):
            if number == _GRAPH:
                graphs.append(_message(value))
            elif number == _METADATA:
                found.metadata[_last_text(value, 1)] = _last_text(value, 2)
            elif number in (_TRAINING, _FUNCTIONS):
                found.has_functions = True
        for graph in graphs:
            for number, value in _fields(graph):
                if number == _INPUT:
                    found.inputs[_last_text(value, 1)] = _shape(value)
                elif number == _OUTPUT:
                    found.outputs.append(_last_text(value, 1))
        _look_inside(graphs, found)
    except UnicodeDecodeError as error:
        raise InputError('damaged: its metadata is no UTF-8 text') from error
    except (IndexError, TypeError) as error:
        raise InputError('not an ONNX file, or a damaged one') from error
    if not graphs:
        raise InputError('not an ONNX file, or a damaged one')
    return found


def _look_inside(graphs: list[memoryview], found: OnnxGraph) -> None:
    waiting = [('graph', graph) for graph in graphs]
    while waiting:
        kind, message = waiting.pop()
        inner = _INNER[kind]
        operators, domains = [''], []
        for number, value in _fields(message):
            if number in inner:
                waiting.append((inner[number], _message(value)))
            elif kind == 'tensor' and (number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value)):
                found.has_external = True
            elif kind == 'node' and number == _OPERATOR:
                operators.append(_text(value))
            elif kind == 'node' and number == _DOMAIN:
                domains.append(_text(value))
        if kind == 'node':
            found.operators.update((domain, operators[-1]) for domain in domains or [''])


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field: an integer, or the bytes of a text, a message or packed numbers.

    Raises:
        IndexError: cut off, or of a type that there is not.
    """
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if not 0 < number < _NUMBERS:
            raise IndexError('no such field')
        value: int | memoryview
        if kind == _VARINT:
            value, at = _varint(message, at)
        else:
            size = {_FIXED64: 8, _FIXED32: 4}.get(kind)
            if kind == _BYTES:
                size, at = _varint(message, at)
            if size is None or at + size > end:
                raise IndexError('cut off')
            value, at = message[at : at + size], at + size
        yield number, value


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """An integer of 7 bits a byte, the lowest first, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise IndexError('more than 64 bits')


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise TypeError('an integer where a message was expected')
    return value


def _text(value: int | memoryview) -> str:
    return bytes(_message(value)).decode()


def _last_text(message: int | memoryview, number: int) -> str:
    """A field that may be there once: where it is there several times, the last one counts."""
    texts = [_text(value) for found, value in _fields(_message(message)) if found == number]
    return texts[-1] if texts else ''


def _shape(value_info: int | memoryview) -> tuple[int, ...]:
    """Of type -> tensor_type -> shape -> dim -> dim_value."""
    messages = [_message(value_info)]
    for wanted in (2, 1, 2, 1):
        messages = [_message(value) for one in messages for number, value in _fields(one) if number == wanted]
    sides = [[value for number, value in _fields(one) if number == 1 and isinstance(value, int)] for one in messages]
    return tuple(side[-1] if side else 0 for side in sides)
