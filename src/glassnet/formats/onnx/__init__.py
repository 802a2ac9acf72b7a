"""The ONNX format: graphs of dense feed-forward networks, from whichever tool, as networks; and networks as ONNX.

What the graph computes is read here, operator by operator (https://onnx.ai/onnx/operators/). Nothing in a model is
executed. Only to write one, and to unpack numbers of fewer than 8 bits and 8-bit floats, the ``onnx`` package is needed
(the extra ``onnx``).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt

from glassnet.errors import FileFormatError, OptionError
from glassnet.formats.contents import Contents, shown
from glassnet.formats.onnx import model as models
from glassnet.formats.onnx.graph import network_of
from glassnet.formats.onnx.writer import own_contents, write
from glassnet.network import Network
from glassnet.network.step import Array

__all__ = ["from_onnx", "read", "write"]

# The tags of protobuf that may follow the version in a model.
_TAGS = frozenset(b"\x12\x1a\x22\x28\x32\x3a\x42\x72\xa2\xca")


def read(path: Path) -> Contents:
    """Return the tensors of a model and the network that it is: exactly the one saved, where glassnet wrote it."""
    proto = models.parsed(models.read_bytes(path))
    if (own := own_contents(proto)) is not None:
        return own
    arrays: dict[str, Array] = {}
    for tensor in proto.graph.initializer if proto.graph is not None else ():
        array = models.tensor(tensor, path.parent)
        if array.dtype.kind in "fiu" and array.size:
            arrays[tensor.name] = array
    network, notes = network_of(proto, path.parent)
    return Contents(arrays, network=network, notes=notes)


def from_onnx(model: Any, *, fixed: Mapping[str, npt.ArrayLike] | None = None) -> Network:
    """Return the network that an ONNX model is.

    model: an ``onnx.ModelProto``, its bytes, or the path of its file. fixed: values for inputs of the graph that are
    to be constants, by name. The first axis of the inputs is that of the rows; where the graph works across it, or
    there is none, the whole tensor is one row.
    Raises FileFormatError for what is no model or not readable, ParametersError, naming node and operator, for a graph
    that is not dense and feed-forward.
    """
    if isinstance(model, str | os.PathLike):
        path = Path(model)
        try:
            return network_of(models.parsed(models.read_bytes(path)), path.parent, fixed)[0]
        except FileFormatError as error:
            raise type(error)(f"reading {path}: {error.message}", hint=error.hint) from error
    if getattr(getattr(model, "DESCRIPTOR", None), "full_name", "") == "onnx.ModelProto":
        model = model.SerializeToString()
    if not isinstance(model, bytes | bytearray | memoryview):
        raise OptionError(f"expected an ONNX model, its bytes or a path, found {shown(type(model).__name__)}")
    return network_of(models.parsed(memoryview(model)), None, fixed)[0]
