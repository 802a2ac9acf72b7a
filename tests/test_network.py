"""Steps, the forward pass, and what a network says when something does not fit."""

from __future__ import annotations

import copy
import itertools
import pickle
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassnet.activations import ACTIVATIONS, Array
from glassnet.errors import DtypeError, GlassnetError, GraphError, OptionError, ShapeError
from glassnet.network import (
    STEPS,
    Activate,
    Add,
    Clip,
    Concatenate,
    Dense,
    Input,
    Multiply,
    Network,
    Reshape,
    ScaleShift,
    Slice,
    Step,
    graph,
)


def chain(*sizes: int, hidden: str = "sigmoid", output: str = "softmax", seed: int = 0, **options: Any) -> Network:
    """A network of dense layers with random float32 parameters."""
    random = np.random.default_rng(seed)
    layers = [
        Dense(
            (random.normal(size=(before, after)) / np.sqrt(before)).astype(np.float32),
            random.normal(size=after).astype(np.float32),
            output if i == len(sizes) - 2 else hidden,
        )
        for i, (before, after) in enumerate(itertools.pairwise(sizes))
    ]
    return Network(layers, **options)


def digit_network() -> Network:
    return chain(784, 50, 100, 10, inputs=Input((784,), scale=1 / 255), labels=range(10))


@pytest.fixture(scope="module")
def digits() -> Network:
    return digit_network()


def pixels(rows: int) -> Array:
    return np.random.default_rng(7).integers(0, 256, (rows, 784), dtype=np.uint8)


# The chapter's network of three layers.
X = np.array([1.0, 0.5])
W1, B1 = np.array([[0.1, 0.3, 0.5], [0.2, 0.4, 0.6]]), np.array([0.1, 0.2, 0.3])
W2, B2 = np.array([[0.1, 0.4], [0.2, 0.5], [0.3, 0.6]]), np.array([0.1, 0.2])
W3, B3 = np.array([[0.1, 0.3], [0.2, 0.4]]), np.array([0.1, 0.2])
CHAPTER = Network([Dense(W1, B1, "sigmoid"), Dense(W2, B2, "sigmoid"), Dense(W3, B3)])


# --- the chapter ---


def test_the_chapters_three_layers() -> None:
    np.testing.assert_allclose(CHAPTER(X), [0.31682708, 0.69627909], atol=5e-9)
    trace = CHAPTER.trace(X)
    assert list(trace) == ["x", "a1", "z1", "a2", "z2", "a3", "y"]
    np.testing.assert_allclose(trace["a1"], [0.3, 0.7, 1.1])
    np.testing.assert_allclose(trace["z1"], [0.57444252, 0.66818777, 0.75026011], atol=5e-9)
    np.testing.assert_allclose(trace["a2"], [0.51615984, 1.21402696], atol=5e-9)
    np.testing.assert_allclose(trace["z2"], [0.62624937, 0.7710107], atol=5e-9)
    np.testing.assert_array_equal(trace["y"], CHAPTER(X))


@pytest.mark.parametrize(
    ("weights", "bias", "truth"),
    [((0.5, 0.5), -0.7, (0, 0, 0, 1)), ((-0.5, -0.5), 0.7, (1, 1, 1, 0)), ((0.5, 0.5), -0.2, (0, 1, 1, 1))],
    ids=["AND", "NAND", "OR"],
)
def test_gates_are_single_neurons(weights: tuple[float, float], bias: float, truth: tuple[int, ...]) -> None:
    gate = Dense(np.transpose([weights]), [bias], "step")
    table = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    assert gate(table).ravel().tolist() == list(truth)
    for row, expected in zip(table, truth, strict=True):
        plain = 1 if bias + weights[0] * row[0] + weights[1] * row[1] > 0 else 0
        assert gate(row).item() == plain == expected


def test_xor_takes_two_layers() -> None:
    nand_or = Dense([[-0.5, 0.5], [-0.5, 0.5]], [0.7, -0.2], "step")
    xor = Network([nand_or, Dense([[0.5], [0.5]], [-0.7], "step")])
    assert xor([[0, 0], [1, 0], [0, 1], [1, 1]]).ravel().tolist() == [0, 1, 1, 0]


# --- the forms of the input ---


def test_one_row_or_a_batch_flat_or_as_pictures(digits: Network) -> None:
    batch = pixels(3)
    expected = digits(batch)
    assert expected.shape == (3, 10)
    assert expected.dtype == np.float32
    np.testing.assert_array_equal(digits(batch.reshape(3, 28, 28)), expected)
    for row in range(3):
        for one in (batch[row], batch[row].reshape(28, 28)):
            assert digits(one).shape == (10,)
            np.testing.assert_allclose(digits(one), expected[row], rtol=1e-5, atol=1e-7)
    assert digits(batch[:1]).shape == (1, 10)
    assert digits(batch[:1].reshape(1, 28, 28)).shape == (1, 10)
    np.testing.assert_array_equal(digits(batch.tolist()), expected)
    np.testing.assert_allclose(digits(np.asfortranarray(batch)), expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(digits(np.repeat(batch, 2, axis=0)[::2]), expected)


def test_a_row_of_other_shapes() -> None:
    picture = Network([Reshape((12,)), Dense(np.eye(12))], inputs=Input((3, 4)))
    x = np.arange(12.0).reshape(3, 4)
    assert picture(x).shape == (12,)
    assert picture(x[np.newaxis]).shape == (1, 12)
    assert picture(x.reshape(1, 12)).shape == (1, 12)
    assert picture(x.reshape(2, 6)).shape == (12,)
    number = Network([Dense([[2.0]])])
    assert number([3.0]).tolist() == [6]
    assert number([[3.0], [4.0]]).tolist() == [[6], [8]]


def test_integers_are_raw_and_floats_are_ready(digits: Network) -> None:
    raw = pixels(2)
    ready = raw.astype(np.float32) / 255
    np.testing.assert_allclose(digits(raw), digits(ready), rtol=1e-5)
    for kind in (np.uint16, np.int32, np.int64):
        np.testing.assert_array_equal(digits(raw.astype(kind)), digits(raw))
    np.testing.assert_allclose(digits(ready.astype(np.float64)), digits(ready), rtol=1e-6)
    np.testing.assert_allclose(digits(ready.astype(np.float16)), digits(ready), rtol=0.02)
    shifted = Network([Dense(np.eye(2))], inputs=Input((2,), scale=0.5, shift=-1))
    assert shifted([2, 4]).tolist() == [0, 1]
    assert shifted([2.0, 4.0]).tolist() == [2, 4]
    assert shifted([True, False]).tolist() == [1, 0]


def test_no_rows(digits: Network) -> None:
    for empty in (np.empty((0, 784)), np.empty((0, 28, 28), dtype=np.uint8)):
        assert digits(empty).shape == (0, 10)
        assert digits.predict(empty).shape == (0,)
        assert {len(value) for value in digits.trace(empty).values()} == {0}


def test_nan_and_infinity_travel() -> None:
    relu = Network([Dense(np.eye(2), None, "relu")])
    np.testing.assert_array_equal(relu([[np.nan, 1.0], [1.0, 2.0]]), [[np.nan, np.nan], [1, 2]])
    one = Network([Dense([[1.0]], [1.0], "sigmoid")])
    assert one([np.inf]).tolist() == [1]


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.zeros(783), ShapeError, "expected a row of shape (784,) or a batch (rows, 784), found shape (783,)"),
        (np.zeros((5, 28)), ShapeError, "expected a row of shape (784,) or a batch (rows, 784), found shape (5, 28)"),
        (0.5, ShapeError, "expected a row of shape (784,) or a batch (rows, 784), found shape ()"),
        (np.zeros(784, complex), DtypeError, "expected real numbers, found dtype complex128"),
        (["7"] * 784, DtypeError, "expected real numbers, found dtype <U1"),
    ],
)
def test_input_errors(digits: Network, x: Any, error: type[GlassnetError], message: str) -> None:
    with pytest.raises(error) as caught:
        digits(x)
    assert caught.value.message == f"input 'x': {message}"


def test_a_batch_of_single_numbers_gets_a_hint() -> None:
    with pytest.raises(ShapeError) as caught:
        Network([Dense([[2.0]])])([1.0, 2.0, 3.0])
    assert str(caught.value) == (
        "input 'x': expected a row of shape (1,) or a batch (rows, 1), found shape (3,)\n"
        "hint: give a batch of single numbers a second axis: x[:, np.newaxis]"
    )


def test_errors_of_the_declared_input() -> None:
    with pytest.raises(ShapeError, match=r"^input 'x': every size must be 1 or more, found shape \(0,\)$"):
        Input((0,))
    with pytest.raises(GraphError, match=r"^input 'q': scale and shift must be finite$"):
        Input((1,), "q", scale=np.nan)


# --- chunks ---


@pytest.mark.parametrize("chunk_bytes", [1, 1 << 17, 1 << 40])
def test_chunks_of_any_size_answer_the_same(digits: Network, chunk_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = pixels(1000)
    expected = digits(batch)
    monkeypatch.setattr(graph, "CHUNK_BYTES", chunk_bytes)
    np.testing.assert_allclose(digits(batch), expected, rtol=1e-5, atol=1e-7)


def test_memory_stays_bounded(digits: Network) -> None:
    batch = pixels(20_000)
    tracemalloc.start()
    try:
        answer = digits(batch)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < answer.nbytes + 10 * graph.CHUNK_BYTES  # the batch as float32 alone would be 63 MB


# --- each step ---

ROWS = np.arange(12.0).reshape(2, 6) - 5


def test_every_kind_of_step_is_in_the_table() -> None:
    assert set(STEPS.values()) == {
        kind for kind in Step.__subclasses__() if kind.__module__.startswith("glassnet.network")
    }
    assert all(name == kind.KIND for name, kind in STEPS.items())


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_dense(name: str) -> None:
    random = np.random.default_rng(1)
    weights, bias = random.normal(size=(6, 3)), random.normal(size=3)
    layer = Dense(weights, bias, name)
    by_hand = np.array(
        [[sum(x * w for x, w in zip(row, weights[:, j], strict=True)) + bias[j] for j in range(3)] for row in ROWS]
    )
    np.testing.assert_allclose(layer(ROWS), ACTIVATIONS[name](by_hand), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(layer(ROWS[0]), layer(ROWS)[0], rtol=1e-12)
    assert (layer.inputs, layer.outputs) == (6, 3)
    assert list(layer.arrays) == ["weights", "bias"]


def test_dense_without_bias_and_over_more_axes() -> None:
    layer = Dense(np.ones((6, 2)))
    assert layer.bias.tolist() == [0, 0]
    assert layer(np.ones((2, 3, 6))).shape == (2, 3, 2)
    sequence = Network([layer], inputs=Input((3, 6)))
    assert sequence.shapes["dense1"] == (3, 2)
    assert sequence(np.ones((4, 3, 6))).shape == (4, 3, 2)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (Activate("relu"), np.maximum(ROWS, 0)),
        (ScaleShift(2.0, 1.0), ROWS * 2 + 1),
        (ScaleShift(np.arange(6), np.ones(6)), ROWS * np.arange(6) + 1),
        (ScaleShift(np.ones((2, 6))), np.stack([ROWS, ROWS], axis=1)),
        (Clip(-1, 2), np.minimum(np.maximum(ROWS, -1), 2)),
        (Clip(low=0), np.maximum(ROWS, 0)),
        (Reshape((2, 3)), np.stack([row.reshape(2, 3) for row in ROWS])),
        (Slice(1, 3), ROWS[:, [1, 2]]),
        (Concatenate(sources=("x", "x", "x")), np.hstack([ROWS] * 3)),
        (Add(sources=("x", "x", "x")), ROWS * 3),
        (Multiply(sources=("x", "x")), ROWS**2),
    ],
    ids=lambda value: value.KIND if isinstance(value, Step) else "",
)
def test_step(step: Step, expected: Array) -> None:
    network = Network([step], inputs=Input((6,)))
    found = network(ROWS)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.shape[1:] == network.shapes[network.outputs[0]]
    np.testing.assert_array_equal(network(ROWS[1]), found[1])
    values = [ROWS] * max(1, len(step.sources))
    np.testing.assert_allclose(step(*values), expected)


def test_sums_of_rows_with_fewer_axes() -> None:
    network = Network([Add(sources=("m", "v"))], inputs=[Input((2, 3), "m"), Input((3,), "v")])
    m, v = np.ones((3, 2, 3)), np.arange(9.0).reshape(3, 3)
    np.testing.assert_array_equal(network(m, v), m + v[:, np.newaxis])


def test_nan_is_not_clipped() -> None:
    assert np.isnan(Clip(0, 1)([np.nan])).all()


# --- graphs ---


def test_several_inputs_and_outputs() -> None:
    network = Network(
        [
            Dense(np.eye(2), None, "relu", name="left", sources=("p",)),
            Dense(np.ones((3, 2)), name="right", sources=("q",)),
            Concatenate(name="both", sources=("left", "right")),
            Add(name="sum", sources=("left", "right")),
        ],
        inputs=[Input((2,), "p"), Input((3,), "q")],
        outputs=("sum", "both"),
    )
    total, both = network([1.0, -1.0], [1.0, 2.0, 3.0])
    assert total.tolist() == [7, 6]
    assert both.tolist() == [1, 0, 6, 6]
    total, both = network(np.ones((5, 2)), np.ones((5, 3)))
    assert (total.shape, both.shape) == ((5, 2), (5, 4))
    trace = network.trace([1.0, -1.0], [1.0, 2.0, 3.0])
    assert list(trace) == ["p", "q", "a1", "z1", "a2", "z2", "both", "sum"]


def test_residual() -> None:
    network = Network(
        [Dense(np.eye(3) * 2, name="inner"), Add(sources=("x", "inner"))],
    )
    assert network([1.0, 2.0, 3.0]).tolist() == [3, 6, 9]


def test_names_are_given_in_order() -> None:
    network = Network([Dense(np.eye(2)), Activate("relu"), Dense(np.eye(2), name="mine"), Dense(np.eye(2))])
    assert [step.name for step in network.steps] == ["dense1", "activate1", "mine", "dense3"]
    assert network.sources == (("x",), ("dense1",), ("activate1",), ("mine",))
    assert network.outputs == ("dense3",)
    assert len(network.layers) == 3


EYE = np.eye(2)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Network([]), GraphError, "a network needs at least one step"),
        (lambda: Network(list(EYE)), GraphError, "step 1 is not a step: ndarray\nhint: a layer is Dense(W, b, 'relu')"),
        (
            lambda: Network([Activate("relu")]),
            GraphError,
            "inputs must be given when the first step is not a dense layer that reads 'x'",
        ),
        (
            lambda: Network([Dense(EYE), Dense(EYE, name="dense1")]),
            GraphError,
            "the name 'dense1' is wanted for an unnamed step; give that step a name",
        ),
        (
            lambda: Network([Dense(EYE, name="h"), Dense(EYE, name="h")]),
            GraphError,
            "the name 'h' is used twice",
        ),
        (
            lambda: Network([Dense(EYE)], inputs=[Input((2,)), Input((2,))]),
            GraphError,
            "two inputs are called 'x'",
        ),
        (
            lambda: Network([Dense(EYE, name="h", sources=("later",)), Dense(EYE, name="later")], inputs=Input((2,))),
            GraphError,
            "h: reads 'later', which no input or earlier step is called\nhint: known here: x",
        ),
        (
            lambda: Network([Dense(EYE)], outputs="z"),
            GraphError,
            "output 'z' is not the name of a value\nhint: known: x, dense1",
        ),
        (
            lambda: Network([Dense(np.ones((784, 50))), Dense(np.ones((128, 10)))]),
            ShapeError,
            "dense2: expects 128 inputs because its weights are (128, 10), found rows of shape (50,)\n"
            "hint: in X·W the columns of X must be as many as the rows of W",
        ),
        (lambda: Dense([1.0, 2.0]), ShapeError, "dense: weights must have shape (inputs, outputs), found (2,)"),
        (lambda: Dense(np.empty((0, 2))), ShapeError, "dense: weights must have shape (inputs, outputs), found (0, 2)"),
        (
            lambda: Dense(EYE, [1.0, 2.0, 3.0], name="hidden"),
            ShapeError,
            "hidden: bias has shape (3,), expected (2,) because weights (2, 2) have 2 outputs",
        ),
        (lambda: Dense([["a"]]), DtypeError, "dense: weights: expected real numbers, found dtype <U1"),
        (
            lambda: Dense(EYE, sources=("p", "q")),
            GraphError,
            "dense: reads 1 value(s), found 2: ('p', 'q')",
        ),
        (lambda: Reshape((-2, -2)), ShapeError, "reshape: every size must be 1 or more, found shape (-2, -2)"),
        (Add, GraphError, "add: reads 2 or more value(s), found 1: the one before"),
        (lambda: Clip(2, 1), OptionError, "clip: low must not be above high, found 2 and 1"),
        (
            lambda: Network([Reshape((3, 4))], inputs=Input((10,))),
            ShapeError,
            "reshape1: rows of shape (10,) cannot take shape (3, 4)",
        ),
        (
            lambda: Network([Slice(1, 9)], inputs=Input((5,))),
            ShapeError,
            "slice1: columns 1:9 are not in rows of shape (5,)",
        ),
        (
            lambda: Network([Concatenate(sources=("p", "q"))], inputs=[Input((2, 3), "p"), Input((3, 3), "q")]),
            ShapeError,
            "concatenate1: rows of shapes (2, 3), (3, 3) do not stand side by side",
        ),
        (
            lambda: Network([Add(sources=("p", "q"))], inputs=[Input((2,), "p"), Input((3,), "q")]),
            ShapeError,
            "add1: rows of shapes (2,), (3,) do not fit together",
        ),
        (
            lambda: Network([ScaleShift(np.ones(4))], inputs=Input((3,))),
            ShapeError,
            "scale_shift1: rows of shapes (3,), (4,), () do not fit together",
        ),
        (
            lambda: Network([Dense(EYE)], inputs=[]),
            GraphError,
            "a network needs an input and an output, found 0 and 1",
        ),
        (
            lambda: Network([Dense(EYE)], outputs=[], labels=[0, 1]),
            GraphError,
            "a network needs an input and an output, found 1 and 0",
        ),
        (
            lambda: Network([Dense(EYE)], labels=[0, 1.5]),  # type: ignore[list-item]
            GraphError,
            "label 1.5 is neither an integer nor a text",
        ),
        (
            lambda: Network([Dense(EYE)], labels=["a", "a"]),
            GraphError,
            "a label is given twice: ['a', 'a']",
        ),
        (
            lambda: Network([Dense(EYE)], labels=["a", "b", "c"]),
            ShapeError,
            "3 labels need one output of 3 values, found 1 output(s), the first of row shape (2,)",
        ),
        (
            lambda: Network([Dense(EYE)], inputs=[Input((2,)), Input((2,), "q")])(EYE),
            ShapeError,
            "the network reads 2 input(s) (x, q), found 1",
        ),
        (
            lambda: Network([Add(sources=("x", "q"))], inputs=[Input((2,)), Input((2,), "q")])(EYE, np.ones((3, 2))),
            ShapeError,
            "the inputs have different numbers of rows: [2, 3]",
        ),
        (
            lambda: Network([Dense(EYE)]).decide(EYE),
            GraphError,
            "this network answers values; it has no labels to decide between",
        ),
        (
            lambda: Dense(np.ones((3, 2)))(np.ones(2)),
            ShapeError,
            "dense: expects 3 inputs because its weights are (3, 2), found rows of shape (2,)\n"
            "hint: in X·W the columns of X must be as many as the rows of W",
        ),
    ],
)
def test_errors_name_the_place(make: Any, error: type[GlassnetError], message: str) -> None:
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value) == message


# --- what it answers ---


def test_predict_and_decide() -> None:
    values = Network([Dense(EYE)])
    assert values.predict([3.0, 4.0]).tolist() == [3, 4]
    words = values.replace(labels=["no", "yes"])
    assert words.predict([3.0, 4.0]) == "yes"
    assert words.predict([[3.0, 4.0], [4.0, 3.0]]).tolist() == ["yes", "no"]
    assert words.decide(np.array([[0.2, 0.1]])).tolist() == ["no"]


def test_two_labels_for_a_single_probability() -> None:
    network = Network([Dense([[1.0]], None, "sigmoid")], labels=["ham", "spam"])
    assert network.predict([[-1.0], [0.0], [1.0]]).tolist() == ["ham", "ham", "spam"]
    assert network.predict([1.0]) == "spam"


def test_dtype() -> None:
    single, double = np.eye(2, dtype=np.float32), np.eye(2)
    assert Network([Dense(single, np.zeros(2, np.float32))])(np.ones(2)).dtype == np.float32
    assert Network([Dense(single), Dense(double)])(np.ones(2, np.float32)).dtype == np.float64
    assert Dense(np.eye(2, dtype=np.float16)).weights.dtype == np.float32
    assert Dense(np.eye(2, dtype=np.int32)).weights.dtype == np.float64
    assert Dense(np.eye(2, dtype=">f4")).weights.dtype == np.float32
    assert Network([Activate("step")], inputs=Input((2,)))([1, -1]).dtype == np.float32


# --- the view inside ---


def test_trace_of_a_batch_holds_what_the_rows_hold(digits: Network) -> None:
    batch = pixels(3)
    trace = digits.trace(batch)
    assert {name: value.shape for name, value in trace.items()} == {
        "x": (3, 784), "a1": (3, 50), "z1": (3, 50), "a2": (3, 100), "z2": (3, 100), "a3": (3, 10), "y": (3, 10),
    }  # fmt: skip
    assert len(trace) == 7
    one = digits.trace(batch[1].reshape(28, 28))
    for name, value in one.items():
        np.testing.assert_allclose(value, trace[name][1], rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(trace["y"], digits(batch))
    np.testing.assert_allclose(trace["x"], batch / 255, rtol=1e-6)


def test_trace_names_other_steps_after_themselves() -> None:
    network = Network([Dense(EYE), Activate("relu"), Dense(EYE), Activate("softmax")])
    assert list(network.trace([1.0, 2.0])) == ["x", "a1", "z1", "activate1", "a2", "z2", "y"]


def test_contributions_add_up(digits: Network) -> None:
    batch = pixels(2)
    for layer in digits.trace(batch).layers:
        for neuron in (0, layer.layer.outputs - 1):
            pushes = layer.contributions(neuron)
            assert pushes.shape == (2, layer.layer.inputs)
            total = pushes.sum(axis=1) + layer.layer.bias[neuron]
            np.testing.assert_allclose(total, layer.a[:, neuron], rtol=1e-3, atol=1e-4)
    one = digits.trace(batch[0]).layers[1]
    assert (one.number, one.contributions(3).shape) == (2, (50,))
    np.testing.assert_array_equal(one.z, one.layer.activation(one.a))


def test_trace_as_text() -> None:
    assert (
        str(CHAPTER.trace(X))
        == """\
   x (2,)         [1.  0.5]
  a1 (3,)         [0.3 0.7 1.1]
  z1 (3,)         [0.5744 0.6682 0.7503]
  a2 (2,)         [0.5162 1.214 ]
  z2 (2,)         [0.6262 0.771 ]
  a3 (2,)         [0.3168 0.6963]
   y (2,)         [0.3168 0.6963]"""
    )
    assert str(CHAPTER.trace([X, X])).splitlines()[:2] == [
        "   x (2, 2)       [[1.  0.5]",
        "                   [1.  0.5]]",
    ]


def test_summary(digits: Network) -> None:
    assert (
        digits.summary()
        == """\
step    kind   reads   row shape  activation  parameters
──────  ─────  ──────  ─────────  ──────────  ──────────
x       input          784
dense1  dense  x       50         sigmoid         39,250
dense2  dense  dense1  100        sigmoid          5,100
dense3  dense  dense2  10         softmax          1,010
45,360 parameters in float32, 45,200 multiplications a row; answers one of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]"""
    )
    network = Network([Reshape((2, 3)), ScaleShift(2.0), Clip(0, 1)], inputs=Input((6,)))
    assert (
        network.summary()
        == """\
step          kind         reads         row shape  activation  parameters
────────────  ───────────  ────────────  ─────────  ──────────  ──────────
x             input                      6
reshape1      reshape      x             2 × 3                           0
scale_shift1  scale_shift  reshape1      2 × 3                           2
clip1         clip         scale_shift1  2 × 3                           0
2 parameters in float64, 0 multiplications a row; answers values"""
    )
    assert repr(digits) == "<Network 784-50-100-10, 3 steps, 45,360 parameters>"
    assert digits.parameter_count == 45360


# --- collapse ---


@given(
    sizes=st.lists(st.integers(1, 6), min_size=2, max_size=6),
    names=st.lists(st.sampled_from(["identity", "identity", "relu", "softmax"]), min_size=5, max_size=5),
    seed=st.integers(0, 1000),
)
def test_collapse_computes_the_same(sizes: list[int], names: list[str], seed: int) -> None:
    random = np.random.default_rng(seed)
    pairs = list(itertools.pairwise(sizes))
    layers = [
        Dense(random.normal(size=pair), random.normal(size=pair[1]), name)
        for pair, name in zip(pairs, names, strict=False)
    ]
    network = Network(layers)
    small = network.collapse()
    x = random.normal(size=(7, sizes[0]))
    np.testing.assert_allclose(small(x), network(x), rtol=1e-9, atol=1e-9)
    linear = sum(layer.activation.name == "identity" for layer in network.layers[:-1])
    assert len(small.layers) == len(layers) - linear
    assert (small.inputs, small.outputs) == (network.inputs, network.outputs)


def test_linear_layers_add_nothing() -> None:
    deep = chain(4, 8, 8, 8, 3, hidden="identity", output="identity")
    flat = deep.collapse()
    assert [layer.weights.shape for layer in flat.layers] == [(4, 3)]
    assert flat.dtype == np.float32
    x = np.random.default_rng(2).normal(size=(5, 4))
    np.testing.assert_allclose(flat(x), deep(x), rtol=1e-4, atol=1e-5)


def test_collapse_leaves_alone_what_others_read() -> None:
    network = Network(
        [Dense(EYE, name="a"), Dense(EYE * 2, name="b"), Add(name="c", sources=("a", "b")), Dense(EYE, name="d")],
        outputs=("c", "d"),
    )
    small = network.collapse()
    assert [step.name for step in small.steps] == ["a", "b", "c", "d"]
    np.testing.assert_array_equal(small([1.0, 2.0])[0], network([1.0, 2.0])[0])
    watched = Network([Dense(EYE, name="a"), Dense(EYE, name="b")], outputs=("a", "b"))
    assert len(watched.collapse().steps) == 2
    branch = Network(
        [
            Dense(EYE, name="a", sources=("x",)),
            Dense(EYE * 3, name="side", sources=("x",)),
            Dense(EYE * 2, name="b", sources=("a",)),
            Add(sources=("side", "b")),
        ],
        inputs=Input((2,)),
    )
    assert [step.name for step in branch.collapse().steps] == ["side", "b", "add1"]
    assert branch.collapse()([1.0, 2.0]).tolist() == branch([1.0, 2.0]).tolist() == [5, 10]


# --- nothing changes behind one's back ---


def test_parameters_are_frozen_copies() -> None:
    weights = np.eye(2)
    layer = Dense(weights)
    weights[0, 0] = 9
    assert layer.weights[0, 0] == 1
    for array in layer.arrays.values():
        assert not array.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    with pytest.raises(AttributeError):
        layer.weights = weights  # type: ignore[misc]
    with pytest.raises(AttributeError):
        CHAPTER.steps = ()  # type: ignore[misc]


def test_what_is_read_only_already_is_not_copied() -> None:
    weights = np.eye(2)
    weights.flags.writeable = False
    assert Dense(weights).weights is weights


def test_the_answer_is_the_callers_own() -> None:
    network = Network([Activate("identity")], inputs=Input((2,)))
    x = np.ones(2, np.float32)
    network(x)[0] = 5
    assert x.tolist() == [1, 1]


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_copy_and_pickle(digits: Network, again: Any) -> None:
    copied = again(digits)
    np.testing.assert_array_equal(copied(pixels(2)), digits(pixels(2)))
    assert copied.labels == digits.labels
    assert copied.inputs == digits.inputs
    assert not any(array.flags.writeable for step in copied.steps for array in step.arrays.values())
    clip = again(Clip(0, 1, name="limits"))
    assert (clip.low, clip.high, clip.name) == (0, 1, "limits")


def test_replace(digits: Network) -> None:
    relabelled = digits.replace(labels=[f"digit {i}" for i in range(10)])
    assert relabelled.predict(pixels(1))[0] == f"digit {digits.predict(pixels(1))[0]}"
    assert relabelled.steps == digits.steps
