"""Writing a PyTorch state_dict without PyTorch: a zip with a pickle of a few opcodes, and each array as a member.

``torch.load(path, weights_only=True)`` takes it, and ``nn.Sequential`` of the matching modules loads it: ``0.weight``
and ``0.bias`` for the first layer, then one number for its activation, and so on. The network's description lies
beside the tensors, as a member that PyTorch passes over, so that our own reader returns the same network, bit for bit.
"""

from __future__ import annotations

import io
import json
import pickle as op
import struct
import zipfile
from typing import Any

import numpy as np

from glassnet.errors import OptionError
from glassnet.formats.description import describe
from glassnet.network import Activate, Dense, Network, Reshape, ScaleShift, Step
from glassnet.network.steps import Array

FOLDER = "archive/"
DESCRIPTION = "glassnet.json"
# Storages begin at multiples of this, as PyTorch's own do, so that it can map them.
_ALIGNMENT = 64
_LOCAL_HEADER_BYTES = 30
_STORAGES = {"<f4": "FloatStorage", "<f8": "DoubleStorage", "<i8": "LongStorage"}
_EPSILON = 1e-5


def write(network: Network) -> bytes:
    """Return the state_dict of an ``nn.Sequential`` that is ``network``, with the description beside it.

    Raises OptionError, naming the step, for a network that is no chain of Linear, activations, BatchNorm1d and
    Flatten.
    """
    tensors, fields = _tensors(network)
    description: dict[str, Any] = dict(describe(network).description or {})
    description["steps"] = [entry | fields[entry["name"]] for entry in description["steps"]]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        _add(archive, "data.pkl", _pickled(tensors))
        _add(archive, "byteorder", b"little")
        for number, array in enumerate(tensors.values()):
            _add(archive, f"data/{number}", array.tobytes())
        _add(archive, DESCRIPTION, json.dumps(description).encode())
        _add(archive, "version", b"3\n")
    return buffer.getvalue()


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Add a member whose bytes begin at a multiple of the alignment; an extra field nobody reads fills the gap."""
    info = zipfile.ZipInfo(FOLDER + name)
    begin = archive.fp.tell() + _LOCAL_HEADER_BYTES + len(info.filename)  # type: ignore[union-attr]
    padding = -(begin + 4) % _ALIGNMENT
    info.extra = struct.pack("<2sH", b"FB", padding) + bytes(padding)
    archive.writestr(info, content)


# --- from steps to tensors ----------------------------------------------------------------------------------


def _tensors(network: Network) -> tuple[dict[str, Array], dict[str, dict[str, str]]]:
    """Return the tensors by name, and for each step which of its fields is which tensor."""
    tensors: dict[str, Array] = {}
    fields: dict[str, dict[str, str]] = {}
    number = 0
    before = network.inputs[0].name
    for step, sources in zip(network.steps, network.sources, strict=True):
        if sources != (before,) or len(network.inputs) > 1 or step.KIND not in _MODULES:
            raise OptionError(
                f"a .pt file holds the state_dict of an nn.Sequential of Linear, activations, BatchNorm1d and Flatten: "
                f"step '{step.name}' is not such a module that reads the value before it",
                hint="save it as .safetensors or .npz, which keep everything",
            )
        made, fields[step.name], count = _MODULES[step.KIND](step, network.shapes[before])
        tensors |= {f"{number}.{what}": array for what, array in made.items()}
        fields[step.name] = {field: f"{number}.{what}" for field, what in fields[step.name].items()}
        number += count
        before = step.name
    if network.outputs != (before,):
        raise OptionError(
            f"a .pt file holds the state_dict of an nn.Sequential: its only output is the last step, '{before}'",
            hint="save it as .safetensors or .npz, which keep everything",
        )
    if not tensors:
        raise OptionError(
            "a .pt file holds a state_dict: no step of the network has parameters",
            hint="save it as .safetensors or .npz, which keep everything",
        )
    return tensors, fields


def _linear(step: Step, shape: tuple[int, ...]) -> tuple[dict[str, Array], dict[str, str], int]:
    assert isinstance(step, Dense)
    made = {"weight": np.ascontiguousarray(step.weights.T), "bias": step.bias}
    return made, {"weights": "weight", "bias": "bias"}, 1 + (step.activation.name != "identity")


def _batch_norm(step: Step, shape: tuple[int, ...]) -> tuple[dict[str, Array], dict[str, str], int]:
    """Return a BatchNorm1d that only scales and shifts: mean 0, variance 1 with its epsilon."""
    assert isinstance(step, ScaleShift)
    if len(shape) != 1:
        raise OptionError(f"a .pt file holds a BatchNorm1d of (features,) only: step '{step.name}' reads {shape}")
    scale, shift = (np.array(np.broadcast_to(array, shape)) for array in (step.scale, step.shift))
    made = {
        "weight": scale,
        "bias": shift,
        "running_mean": np.zeros(shape, scale.dtype),
        "running_var": np.full(shape, 1 - _EPSILON, scale.dtype),
        "num_batches_tracked": np.zeros((), np.int64),
    }
    return made, {"scale": "weight", "shift": "bias"}, 1


def _without_parameters(step: Step, shape: tuple[int, ...]) -> tuple[dict[str, Array], dict[str, str], int]:
    return {}, {}, 1


_MODULES = {
    Dense.KIND: _linear,
    ScaleShift.KIND: _batch_norm,
    Activate.KIND: _without_parameters,
    Reshape.KIND: _without_parameters,
}


# --- the pickle ---------------------------------------------------------------------------------------------


def _pickled(tensors: dict[str, Array]) -> bytes:
    """Return an OrderedDict of tensors: for each a call of _rebuild_tensor_v2 with its place in a storage."""
    ordered = op.GLOBAL + b"collections\nOrderedDict\n" + op.EMPTY_TUPLE + op.REDUCE
    entries = [_text(name) + _tensor(array, number, ordered) for number, (name, array) in enumerate(tensors.items())]
    return op.PROTO + b"\x02" + ordered + op.MARK + b"".join(entries) + op.SETITEMS + op.STOP


def _tensor(array: Array, number: int, ordered: bytes) -> bytes:
    kind = op.GLOBAL + f"torch\n{_STORAGES[array.dtype.str]}\n".encode()
    identity = _tuple(_text("storage"), kind, _text(str(number)), _text("cpu"), _integer(array.size)) + op.BINPERSID
    strides = [stride // array.itemsize for stride in array.strides]
    place = (_integer(0), _tuple(*map(_integer, array.shape)), _tuple(*map(_integer, strides)))
    rebuild = op.GLOBAL + b"torch._utils\n_rebuild_tensor_v2\n"
    return rebuild + _tuple(identity, *place, op.NEWFALSE, ordered) + op.REDUCE


def _tuple(*items: bytes) -> bytes:
    return op.MARK + b"".join(items) + op.TUPLE


def _text(value: str) -> bytes:
    data = value.encode()
    return op.BINUNICODE + struct.pack("<I", len(data)) + data


def _integer(value: int) -> bytes:
    if value < 1 << 31:
        return op.BININT + struct.pack("<i", value)
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return op.LONG1 + bytes([len(data)]) + data
