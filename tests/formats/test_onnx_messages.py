"""ONNX' messages without protobuf: what protobuf reads, in every type and every way to write it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("onnx", reason="the onnx package is not installed")

import onnx
from onnx import TensorProto, helper, numpy_helper

import glassnet
from glassnet import Dense, Network
from glassnet.errors import FileFormatError, ParametersError, UnsafeFileError
from glassnet.formats.onnx import messages, model
from onnxmodels.made import mlp

KINDS = {
    kind: helper.tensor_dtype_to_np_dtype(kind)
    for kind in (*range(1, 8), *range(9, 14), TensorProto.BFLOAT16, *range(17, 24), TensorProto.UINT2, TensorProto.INT2)
}


def tensor(content: bytes) -> messages.Tensor:
    wrapped = onnx.ModelProto(ir_version=8)
    wrapped.graph.initializer.add().ParseFromString(content)
    graph = messages.model_of(memoryview(wrapped.SerializeToString())).graph
    assert graph is not None
    return graph.initializer[0]


@pytest.mark.parametrize("raw", [True, False], ids=["raw", "listed"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_type_of_numbers(kind: int, raw: bool) -> None:
    values = np.array([[0, 1, -1], [2, 1, 0]]).astype(KINDS[kind])
    if raw:
        made = numpy_helper.from_array(values, "W")
    else:
        flat = values.reshape(-1)
        made = helper.make_tensor("W", kind, values.shape, flat.tolist() if values.dtype.isbuiltin == 1 else flat)
        assert not made.HasField("raw_data")
    made.data_type = kind
    found = model.tensor(tensor(made.SerializeToString()), None)
    np.testing.assert_array_equal(found.astype(np.float64), numpy_helper.to_array(made).astype(np.float64))


@given(st.lists(st.integers(-(1 << 63), (1 << 63) - 1)))
def test_whole_numbers_of_any_length(numbers: list[int]) -> None:
    """In one field, as tensors have them, and in one field each, as attributes have them."""
    together = helper.make_tensor("n", TensorProto.INT64, [len(numbers)], numbers)
    found = tensor(together.SerializeToString()).numbers.get("int64_data", [np.zeros(0, np.uint64)])
    assert [part.view(np.int64).tolist() for part in found] == [numbers]
    attribute = helper.make_attribute("n", numbers, attr_type=onnx.AttributeProto.INTS)
    node = onnx.NodeProto(attribute=[attribute])
    read = messages.model_of(memoryview(_model(node=[node]))).graph
    assert read is not None
    assert read.node[0].attribute[0].ints == numbers


def _model(**parts: Any) -> bytes:
    return onnx.ModelProto(ir_version=8, graph=onnx.GraphProto(**parts)).SerializeToString()


def test_cut_off_anywhere() -> None:
    good = mlp()
    for end in range(len(good)):
        try:
            glassnet.from_onnx(good[:end])
        except (FileFormatError, ParametersError):
            continue
        # What is left is a whole model: only what nothing needs stood behind it.
        assert onnx.ModelProto.FromString(good[:end]).graph.output


def test_cut_off_says_what_was_expected() -> None:
    with pytest.raises(
        FileFormatError, match=r"^not an ONNX model: cut off: field 7 of \d+ bytes expected, found \d+$"
    ):
        glassnet.from_onnx(mlp()[:100])


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\x08\x08\x3b", "field 7 is written in a way that is none, 3"),
        (b"\x08" + b"\xff" * 11, "cut off within a whole number, or one of more than 64 bits"),
        (b"\x0d\x00\x00\x00\x00", "a field written in way 5, expected 0"),
        (b"\x3a\x06\x0a\x04\x0a\x02\xff\xfe", "a text that is not UTF-8"),
        (b"\x3a\x05\x2a\x03\x0a\x01\xff", "a list of whole numbers that is cut off"),
        (b"\x3a\x07\x2a\x05\x22\x03\x00\x00\x00", "a list of numbers that is none"),
        (b"\x3a\x0f\x2a\x0d\x0a\x0b" + b"\xff" * 10 + b"\x01", "a whole number of more than 64 bits"),
    ],
)
def test_what_is_no_message(content: bytes, problem: str) -> None:
    with pytest.raises(FileFormatError, match=f"^not an ONNX model: {problem}"):
        model.parsed(content)


def test_more_messages_than_any_network_needs() -> None:
    nodes = b"\x0a\x00" * 1_000_001
    with pytest.raises(UnsafeFileError, match=r"more than 1,000,000 messages"):
        model.parsed(b"\x08\x08" + _field(7, nodes))


def _field(number: int, content: bytes) -> bytes:
    length, rest = [], len(content)
    while rest > 0x7F:
        length.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([number << 3 | 2, *length, rest]) + content


def test_a_part_of_a_tensor() -> None:
    part = TensorProto(name="W", dims=[1], data_type=1, segment=TensorProto.Segment(begin=0, end=1))
    with pytest.raises(FileFormatError, match=r"^tensor 'W': a part of a tensor, expected the whole$"):
        model.tensor(tensor(part.SerializeToString()), None)


def test_a_large_model_is_mapped(tmp_path: Path) -> None:
    glassnet.save(Network([Dense(np.ones((2100, 2100), np.float32))]), tmp_path / "net.onnx")
    proto = model.parsed(model.read_bytes(tmp_path / "net.onnx"))
    assert proto.graph is not None
    content = proto.graph.initializer[0].raw_data
    assert isinstance(content, memoryview)
    assert type(content.obj).__name__ == "mmap"


def test_reading_takes_no_library(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(mlp())
    code = "import sys, glassnet; glassnet.load(sys.argv[1]); print({'onnx', 'google'} & {*sys.modules})"
    command = [sys.executable, "-c", code, str(tmp_path / "net.onnx")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "set()\n"
