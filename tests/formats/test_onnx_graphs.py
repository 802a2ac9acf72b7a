"""Graphs as they lie about in the wild, compared with ONNX Runtime; and refusals that name node and reason."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the onnx package is not installed")
pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")

import onnx
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto

import glassnet
from glassnet import Network, from_onnx, load
from glassnet.activations import Array
from glassnet.errors import FileFormatError, OptionError, ParametersError, UnsafeFileError
from glassnet.formats import inspect
from onnxmodels.made import Shape, answers, mlp, model, node, random


def assert_same(data: bytes, *x: Array, tolerance: float = 1e-5, **fixed: Any) -> Network:
    network = from_onnx(data, fixed=fixed)
    found = network(*x)
    expected = answers(data, *x, *(np.asarray(value) for value in fixed.values()))
    for mine, theirs in zip(found if isinstance(found, tuple) else (found,), expected, strict=True):
        assert mine.shape == theirs.shape
        assert mine.dtype == theirs.dtype
        np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance)
    return network


def kinds(network: Network) -> list[str]:
    return [step.KIND for step in network.steps]


# --- dense layers stay dense layers ---------------------------------------------------------------------------

SQUARE, VECTOR = random(4, 4), random(4)


@pytest.mark.parametrize("rows", ["batch", None, 1, 3])
@pytest.mark.parametrize("transposed", [0, 1])
@pytest.mark.parametrize("bias", [(5,), (1, 5), (1,), ()])
def test_gemm(rows: Any, transposed: int, bias: tuple[int, ...]) -> None:
    weights = random(5, 4) if transposed else random(4, 5)
    data = model(
        [node("Gemm", "x W b", "a", transB=transposed, alpha=0.5, beta=2.0), node("Tanh", "a", "y")],
        {"x": [rows, 4]},
        ["y"],
        {"W": weights, "b": random(*bias)},
    )
    network = assert_same(data, random(rows if isinstance(rows, int) else 7, 4))
    assert kinds(network) == ["dense"]
    assert network.layers[0].activation.name == "tanh"
    assert network(random(9, 4)).shape == (9, 5)  # a fixed number of rows is any number


def test_matmul_from_either_side_sums_and_normalisation() -> None:
    data = model(
        [
            node("MatMul", "x W", "a"),
            node("Add", "b a", "c"),
            node("BatchNormalization", "c s t m v", "d", epsilon=1e-3),
            node("Relu", "d", "e"),
            node("Transpose", "e", "f", perm=[1, 0]),
            node("MatMul", "W f", "g"),
            node("Transpose", "g", "y", perm=[1, 0]),
        ],
        {"x": ["batch", 4]},
        ["y"],
        {"W": SQUARE, "b": VECTOR, "s": random(4, seed=1), "t": VECTOR, "m": VECTOR, "v": np.square(VECTOR)},
    )
    network = assert_same(data, random(3, 4))
    assert kinds(network) == ["dense", "dense"]
    assert not network.compile().report().in_numpy


def test_nodes_out_of_order_and_weights_among_the_inputs() -> None:
    nodes = [node("Relu", "b", "y"), node("Add", "a v", "b"), node("MatMul", "x W", "a"), node("Exp", "x", "unused")]
    data = model(nodes, {"x": [1, 4]}, ["y"], {"W": SQUARE, "v": VECTOR}, listed=True, opset=8)
    network = from_onnx(data)
    assert kinds(network) == ["dense"]
    np.testing.assert_allclose(network(np.ones((1, 4))), np.maximum(SQUARE.sum(0) + VECTOR, 0)[np.newaxis], rtol=1e-5)


def test_acas_xu() -> None:
    """As VNN-COMP has it: an input of 1 × 1 × 1 × 5, minus its mean, flattened."""
    data = model(
        [
            node("Sub", "x mean", "a"),
            node("Flatten", "a", "b", axis=1),
            node("MatMul", "b W", "c"),
            node("Add", "c v", "d"),
            node("Relu", "d", "e"),
            node("MatMul", "e U", "f"),
            node("Reshape", "f shape", "y"),
        ],
        {"x": [1, 1, 1, 5]},
        ["y"],
        {
            "mean": random(1, 1, 1, 5),
            "W": random(5, 6),
            "v": random(6),
            "U": random(6, 5),
            "shape": np.array([-1, 5]),
        },
        opset=9,
    )
    network = assert_same(data, random(1, 1, 1, 5))
    assert network.inputs[0].shape == (1, 1, 5)
    assert kinds(network) == ["scale_shift", "reshape", "dense", "dense"]
    np.testing.assert_allclose(network(random(8, 1, 1, 5))[2], network(random(8, 1, 1, 5)[2]), rtol=1e-5)


def test_an_input_of_one_axis_and_a_column() -> None:
    data = model(
        [node("MatMul", "W x", "a"), node("Add", "a v", "y")], {"x": [4]}, ["y"], {"W": random(3, 4), "v": random(3)}
    )
    network = assert_same(data, VECTOR)
    assert network(random(6, 4)).shape == (6, 3)
    column = model([node("MatMul", "W x", "y")], {"x": [4, 1]}, ["y"], {"W": random(3, 4)})
    assert_same(column, random(4, 1))


def test_a_robot_policy() -> None:
    """Observations are normalised and limited, two heads, one of them limited and scaled."""
    data = model(
        [
            node("Sub", "obs mean", "a"),
            node("Div", "a std", "b"),
            node("Clip", "b low high", "c"),
            node("Gemm", "c W v", "d", transB=1),
            node("Elu", "d", "e"),
            node("Gemm", "e U u", "f", transB=1),
            node("Split", "f half", "g h", axis=-1),
            node("Tanh", "g", "i"),
            node("Mul", "i scale", "actions"),
            node("Clip", "h low high", "j"),
            node("Exp", "j", "deviations"),
        ],
        {"obs": ["N", 4]},
        ["actions", "deviations"],
        {
            "mean": VECTOR, "std": np.abs(VECTOR) + 1, "low": np.float32(-5), "high": np.float32(5),
            "W": random(8, 4), "v": random(8), "U": random(6, 8), "u": random(6), "half": np.array([3, 3]),
            "scale": np.array([2, 1, 0.5], np.float32),
        },
    )  # fmt: skip
    network = assert_same(data, random(5, 4))
    assert network.outputs == ("actions", "deviations")


def test_shapes_that_the_graph_computes() -> None:
    data = model(
        [
            node("Shape", "x", "shape"),
            node("Gather", "shape zero", "rows", axis=0),
            node("Unsqueeze", "rows axes", "list"),
            node("Concat", "list rest", "target", axis=0),
            node("Reshape", "x target", "flat"),
            node("ConstantOfShape", "target2", "ones", value=onnx.numpy_helper.from_array(np.ones(1, np.float32))),
            node("Concat", "list rest2", "target2", axis=0),
            node("Concat", "flat ones", "y", axis=1),
        ],
        {"x": ["batch", 2, 3]},
        ["y"],
        {"zero": np.array(0), "axes": np.array([0]), "rest": np.array([-1]), "rest2": np.array([2])},
    )
    for rows in (1, 4):
        assert_same(data, random(rows, 2, 3))


def test_the_number_of_rows_is_no_number_to_compute_with() -> None:
    data = model(
        [node("Shape", "x", "s"), node("Cast", "s", "f", to=TensorProto.FLOAT), node("Mul", "x f", "y")],
        {"x": ["batch", 2]},
        ["y"],
    )
    with pytest.raises(ParametersError, match="it computes with the number of rows"):
        from_onnx(data)


# --- activations in parts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "nodes",
    [
        "Div x r:a Erf a:b Add b one:c Mul x c:d Mul d half:y",
        "Mul x s:a Erf a:b Add one b:c Mul c half:d Mul d x:y",
        "Mul x half:h Div x r:a Erf a:b Add b one:c Mul h c:y",
    ],
)
def test_gelu_in_parts(nodes: str) -> None:
    parts = nodes.replace(":", " : ").split()
    steps: list[Any] = []
    while parts:
        end = parts.index(":")
        steps.append(node(parts[0], " ".join(parts[1:end]), parts[end + 1]))
        parts = parts[end + 2 :]
    numbers = {"r": np.sqrt(2), "s": np.sqrt(0.5), "one": 1, "half": 0.5}
    constants = {key: np.array(value, np.float32) for key, value in numbers.items()}
    network = assert_same(model(steps, {"x": ["n", 4]}, ["y"], constants), 3 * random(9, 4))
    assert [getattr(step, "activation", None) for step in network.steps] == [glassnet.ACTIVATIONS["gelu"]]


def test_layer_normalisation_in_parts_and_whole() -> None:
    parts = model(
        [
            node("ReduceMean", "x", "m", axes=[-1]),
            node("Sub", "x m", "c"),
            node("Pow", "c two", "q"),
            node("ReduceMean", "q", "v", axes=[-1]),
            node("Add", "v e", "ve"),
            node("Sqrt", "ve", "s"),
            node("Div", "c s", "n"),
            node("Mul", "n g", "ng"),
            node("Add", "ng b", "y"),
        ],
        {"x": ["n", 4]},
        ["y"],
        {"two": np.float32(2), "e": np.float32(1e-5), "g": VECTOR, "b": VECTOR},
    )
    assert_same(parts, random(5, 4))
    whole = model([node("LayerNormalization", "x g b", "y")], {"x": ["n", 4]}, ["y"], {"g": VECTOR, "b": VECTOR})
    assert kinds(assert_same(whole, random(5, 4))) == ["normalise"]


@settings(max_examples=60)
@given(st.data())
def test_arithmetic_over_shapes(data: st.DataObject) -> None:
    """Two operands, each a constant or a value, of shapes that broadcast."""
    operator = data.draw(st.sampled_from(["Add", "Sub", "Mul", "Div", "Min", "Max"]))
    row = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    other = [size if data.draw(st.booleans()) else 1 for size in row[data.draw(st.integers(0, len(row) - 1)) :]]
    constant = data.draw(st.booleans())
    names = data.draw(st.permutations(["x", "c"]))
    shape: list[Any] = [data.draw(st.sampled_from(["batch", 2])), *row]
    inputs: dict[str, Shape] = (
        {"x": shape} if constant else {"x": shape, "c": [shape[0], *(1,) * (len(row) - len(other)), *other]}
    )
    values = [random(2, *row)] + ([] if constant else [random(2, *(1,) * (len(row) - len(other)), *other, seed=1) + 3])
    weights = {"c": random(*other, seed=1) + 3} if constant else {}
    assert_same(model([node(operator, " ".join(names), "y")], inputs, ["y"], weights), *values)


@pytest.mark.parametrize("opset", [6, 8, 11, 13, 21])
def test_softmax_changed_its_meaning(opset: int) -> None:
    data = model([node("Softmax", "x", "y", axis=1)], {"x": ["n", 2, 3]}, ["y"], opset=opset)
    found = from_onnx(data)(random(4, 2, 3))
    flat = random(4, 2, 3).reshape(4, 6) if opset < 13 else random(4, 2, 3).transpose(0, 2, 1)
    expected = glassnet.activations.softmax(flat)
    expected = expected.reshape(4, 2, 3) if opset < 13 else expected.transpose(0, 2, 1)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


# --- kinds of numbers -------------------------------------------------------------------------------------------


def test_double_is_computed_in_double() -> None:
    data = model(
        [node("MatMul", "x W", "a"), node("Tanh", "a", "b"), node("Div", "b c", "y")],
        {"x": ["n", 4]},
        ["y"],
        {"W": SQUARE.astype(np.float64), "c": np.array(3.0)},
        kind=TensorProto.DOUBLE,
    )
    network = assert_same(data, random(5, 4, dtype=np.float64), tolerance=1e-12)
    assert network.dtype == np.float64
    bare = model([node("Mul", "x x", "y")], {"x": ["n", 4]}, ["y"], kind=TensorProto.DOUBLE)
    assert_same(bare, random(5, 4, dtype=np.float64), tolerance=1e-14)


def test_whole_numbers_and_truth_values() -> None:
    data = model(
        [
            node("ArgMax", "x", "best", axis=1, keepdims=0),
            node("Cast", "x", "whole", to=TensorProto.INT32),
            node("Greater", "x zero", "positive"),
        ],
        {"x": ["n", 4]},
        ["best", "whole", "positive"],
        {"zero": np.float32(0)},
        best=TensorProto.INT64,
        whole=TensorProto.INT32,
        positive=TensorProto.BOOL,
    )
    assert_same(data, 3 * random(6, 4))


def test_quantised() -> None:
    """Quantise, dequantise: the weights are constants, so that the layer is dense."""
    data = model(
        [
            node("QuantizeLinear", "x xs xz", "xq"),
            node("DequantizeLinear", "xq xs xz", "xd"),
            node("DequantizeLinear", "W ws wz", "Wd", axis=1),
            node("MatMul", "xd Wd", "a"),
            node("Relu", "a", "b"),
            node("QuantizeLinear", "b ys yz", "y"),
        ],
        {"x": ["n", 4]},
        ["y"],
        {
            "xs": np.array(0.02, np.float32), "xz": np.array(120, np.uint8), "W": (40 * SQUARE).astype(np.int8),
            "ws": np.abs(VECTOR) / 50, "wz": np.zeros(4, np.int8), "ys": np.array(0.05, np.float32),
            "yz": np.array(-3, np.int8),
        },
        y=TensorProto.INT8,
    )  # fmt: skip
    network = assert_same(data, random(50, 4))
    assert "dense" in kinds(network)


# --- inputs, labels, files --------------------------------------------------------------------------------------


def test_an_input_can_be_fixed() -> None:
    data = model(
        [node("Slice", "x start stop axes", "y")],
        {"x": [3, 4], "start": [1], "stop": [1]},
        ["y"],
        {"axes": np.array([1])},
        start=TensorProto.INT64,
        stop=TensorProto.INT64,
    )
    network = assert_same(data, random(3, 4), start=np.array([1]), stop=np.array([3]))
    assert [given.name for given in network.inputs] == ["x"]
    with pytest.raises(ParametersError) as caught:
        from_onnx(data)
    assert str(caught.value) == (
        "the Slice of 'y': its input 'start' must be a constant\n"
        "hint: from_onnx(model, fixed={'start': …}) fixes an input of the graph"
    )
    with pytest.raises(ParametersError, match="there is no input 'z' to fix"):
        from_onnx(data, fixed={"z": 1})


def test_features_known_by_the_weights() -> None:
    network = from_onnx(model([node("MatMul", "x W", "y")], {"x": ["n", None]}, ["y"], {"W": SQUARE}))
    assert network.inputs[0].shape == (4,)


def test_bytes_path_gzip_and_model_are_the_same(tmp_path: Path) -> None:
    x = random(3, 4)
    (tmp_path / "net.onnx").write_bytes(mlp())
    (tmp_path / "net.onnx.gz").write_bytes(gzip.compress(mlp()))
    expected = from_onnx(mlp())(x)
    for found in (
        from_onnx(onnx.load_from_string(mlp())),
        from_onnx(tmp_path / "net.onnx"),
        from_onnx(str(tmp_path / "net.onnx.gz")),
        load(tmp_path / "net.onnx"),
        load(tmp_path / "net.onnx.gz"),
    ):
        np.testing.assert_array_equal(found(x), expected)
    inspection = inspect(tmp_path / "net.onnx")
    assert (inspection.format, inspection.problem) == ("onnx", "")
    assert {array.name for array in inspection.arrays} == {"W1", "b1", "W2", "b2"}
    with pytest.raises(OptionError, match="expected an ONNX model, its bytes or a path, found int"):
        from_onnx(5)


def test_external_data(tmp_path: Path) -> None:
    proto = onnx.load_from_string(mlp())
    onnx.save_model(
        proto, str(tmp_path / "net.onnx"), save_as_external_data=True, location="net.data", size_threshold=0
    )
    assert (tmp_path / "net.data").exists()
    np.testing.assert_array_equal(load(tmp_path / "net.onnx")(random(3, 4)), from_onnx(mlp())(random(3, 4)))
    with pytest.raises(FileFormatError, match="its values lie in another file"):
        from_onnx((tmp_path / "net.onnx").read_bytes())
    (tmp_path / "net.data").rename(tmp_path / "real.data")
    (tmp_path / "net.data").symlink_to(tmp_path / "real.data")
    with pytest.raises(UnsafeFileError, match="its values lie behind a link"):
        load(tmp_path / "net.onnx")


# --- refusals ---------------------------------------------------------------------------------------------------

X: dict[str, Shape] = {"x": ["n", 4]}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            model([node("Conv", "x W", "y", name="conv1")], {"x": ["n", 1, 8, 8]}, ["y"], {"W": random(1, 1, 3, 3)}),
            "node 'conv1' is a Conv; glassnet reads dense feed-forward graphs\nhint: convolutions are not dense layers",
        ),
        (
            model([node("ReduceMean", "x", "y", axes=[0])], X, ["y"]),
            "the ReduceMean of 'y': it works across the rows of a batch\n"
            "hint: the first axis has no fixed size, so it is that of the rows",
        ),
        (
            model([node("MatMul", "x W", "y")], X, ["y"], {"W": random(5, 4)}),
            "the MatMul of 'y': matrices of shapes (rows, 4) and (5, 4) do not fit",
        ),
        (
            model([node("Add", "x z", "y")], X, ["y"]),
            "the Add of 'y': reads 'z', which nothing in the graph is called",
        ),
        (
            model([node("Add", "x b", "a"), node("Relu", "a", "b")], X, ["b"]),
            "the Relu of 'b': reads what is made from its own result",
        ),
        (model([node("Relu", "x", "y")], {"x": ["n", "m"]}, ["y"]), "input 'x': axis 1 has no fixed size, expected"),
        (model([node("Relu", "x", "y")], X, ["z"]), "output 'z' is not made by any node"),
        (model([node("Transpose", "x", "y", perm=[0, 0])], X, ["y"]), "the Transpose of 'y': axes [0, 0] of a tensor"),
        (
            model([node("ReduceMean", "e", "m"), node("Add", "x m", "y")], X, ["y"], {"e": np.zeros((0, 4))}),
            "the ReduceMean of 'm': it sums up a tensor without values",
        ),
        (model([node("Celu", "x", "y", alpha=0.0)], X, ["y"]), "the Celu of 'y': its alpha is 0"),
        (model([node("Flatten", "x", "y", axis=7)], X, ["y"]), "the Flatten of 'y': axis 7 of a tensor of shape"),
    ],
)
def test_what_is_refused_is_named(data: bytes, message: str) -> None:
    with pytest.raises(ParametersError) as caught:
        from_onnx(data)
    assert str(caught.value).startswith(message)


def test_loading_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"\x08\x08\x12\x04none")
    with pytest.raises(FileFormatError, match=r"^reading .*net\.onnx: not an ONNX model: it has no graph"):
        load(tmp_path / "net.onnx")


def test_large_files_are_not_read_twice_over(tmp_path: Path) -> None:
    """External weights are mapped: reading takes no memory for them, however large they are."""
    side = 2100
    proto = onnx.load_from_string(
        model([node("MatMul", "x W", "y")], {"x": ["n", side]}, ["y"], {"W": np.ones((side, side), np.float32)})
    )
    onnx.save_model(proto, str(tmp_path / "net.onnx"), save_as_external_data=True, location="W", size_threshold=0)
    network = load(tmp_path / "net.onnx")
    base: Any = network.layers[0].weights
    while not isinstance(base, np.memmap):
        base = base.obj if isinstance(base, memoryview) else base.base
    assert base.filename is None or base.size == 4 * side * side


def test_weights_that_are_signalling_nan() -> None:
    """Found by fuzzing: NumPy warns where such a number changes its type."""
    bias = np.frombuffer(b"\x01\x00\xa0\x7f" * 4, "<f4")
    data = model(
        [node("MatMul", "x W", "a"), node("Mul", "a b", "c"), node("Add", "c b", "y")],
        {"x": ["n", 4]},
        ["y"],
        {"W": SQUARE, "b": bias},
    )
    assert np.isnan(from_onnx(data).layers[0].bias).all()


def test_a_quantised_gemm() -> None:
    """QGemm of com.microsoft, as onnxruntime's quantiser writes it; a difference of one is the rounding of a half."""
    data = model(
        [
            node("QuantizeLinear", "x xs xz", "xq"),
            node("QGemm", "xq xs xz W ws wz b ys yz", "yq", domain="com.microsoft", transB=1, alpha=1.0),
            node("DequantizeLinear", "yq ys yz", "y"),
        ],
        {"x": ["n", 4]},
        ["y"],
        {
            "xs": np.array(0.02, np.float32), "xz": np.array(120, np.uint8), "W": (40 * random(3, 4)).astype(np.int8),
            "ws": np.array(0.01, np.float32), "wz": np.array(0, np.int8), "b": np.array([5, -9, 100], np.int32),
            "ys": np.array(0.05, np.float32), "yz": np.array(128, np.uint8),
        },
    )  # fmt: skip
    proto = onnx.load_from_string(data)
    proto.opset_import.append(onnx.helper.make_opsetid("com.microsoft", 1))
    x = random(50, 4)
    difference = np.abs(from_onnx(proto)(x) - answers(proto.SerializeToString(), x)[0])
    assert difference.max() < 0.051
    assert np.mean(difference > 1e-5) < 0.05
