"""Every entry of the activation table against formulas written a second way, in float64 or by SciPy."""

from __future__ import annotations

import copy
import itertools
import math
import pickle
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import special

from glassnet import activations
from glassnet.activations import ACTIVATIONS, Activation, Array, activation
from glassnet.errors import DtypeError, OptionError, ShapeError

SQRT_2 = math.sqrt(2)
ELEMENTWISE = [entry for entry in ACTIVATIONS.values() if entry.elementwise]
ALONG_ROWS = [entry for entry in ACTIVATIONS.values() if not entry.elementwise]
FLOATS = (np.float16, np.float32, np.float64)

# Written from the definitions; SciPy's functions where a naive form would lose digits.
ORACLES: dict[str, Callable[[Array], Array]] = {
    "step": lambda x: np.where(x > 0, 1.0, 0.0),
    "sigmoid": special.expit,
    "relu": lambda x: (np.abs(x) + x) / 2,
    "identity": lambda x: +x,
    "softmax": lambda x: special.softmax(x, axis=-1),
    "tanh": lambda x: 2 * special.expit(2 * x) - 1,
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "elu": lambda x: np.where(x > 0, x, special.expm1(np.minimum(x, 0))),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * special.expm1(np.minimum(x, 0))),
    "gelu": lambda x: x * special.ndtr(x),
    "gelu_tanh": lambda x: x * special.expit(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)),
    "silu": lambda x: x * special.expit(x),
    "softplus": lambda x: np.logaddexp(0, x),
    "celu": lambda x: np.where(x > 0, x, special.expm1(np.minimum(x, 0))),
    "mish": lambda x: x * np.tanh(np.logaddexp(0, x)),
    "hard_swish": lambda x: x * np.minimum(np.maximum(x + 3, 0), 6) / 6,
    "softsign": lambda x: np.sign(x) * (1 - 1 / (1 + np.abs(x))),
    "hard_sigmoid": lambda x: np.minimum(np.maximum(x / 6 + 0.5, 0), 1),
    "log_softmax": lambda x: special.log_softmax(x, axis=-1),
}


def each(entries: list[Activation]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("entry", entries, ids=lambda entry: entry.name)


# --- the table ---


def test_the_table_is_complete() -> None:
    required = (
        "step sigmoid relu identity softmax tanh leaky_relu elu selu gelu gelu_tanh silu softplus hard_sigmoid "
        "celu mish hard_swish softsign log_softmax"
    )
    assert set(ACTIVATIONS) == set(required.split()) == set(ORACLES)
    for name, entry in ACTIVATIONS.items():
        assert entry.name == name
        assert entry.function is getattr(activations, name)
        assert entry.formula
        assert entry.range
        assert entry.purpose
        assert entry.function.__doc__


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        ACTIVATIONS["mine"] = ACTIVATIONS["relu"]  # type: ignore[index]
    with pytest.raises(TypeError):
        ACTIVATIONS["elu"].parameters["alpha"] = 2.0  # type: ignore[index]


def test_the_chapters_names() -> None:
    assert activations.step_function is activations.step
    assert activations.identity_function is activations.identity


# --- values ---


@each(list(ACTIVATIONS.values()))
@pytest.mark.parametrize("dtype", FLOATS)
def test_values(entry: Activation, dtype: type[np.floating]) -> None:
    x = np.linspace(-12, 12, 1200).reshape(100, 12).astype(dtype)
    expected = ORACLES[entry.name](x.astype(np.float64))
    found = entry(x)
    assert found.dtype == dtype
    assert found.shape == x.shape
    # Rounding of x + something, relative to 1, and a few units in the last place of the result.
    unit = float(np.finfo(dtype).eps)
    np.testing.assert_allclose(found.astype(np.float64), expected, rtol=8 * unit, atol=4 * unit)


@each(ELEMENTWISE)
def test_small_tails_keep_their_digits(entry: Activation) -> None:
    """Values far below the unit roundoff of 1 are still right to many digits where the function decays."""
    x = np.linspace(-30, -1e-3, 500)
    expected = ORACLES[entry.name](x)
    # gelu_tanh subtracts nearly equal numbers by its definition, and the oracle of tanh does.
    atol = 1e-15 if entry.name in {"gelu_tanh", "tanh"} else 0
    np.testing.assert_allclose(entry(x), expected, rtol=2e-12, atol=30 * atol)


@each(list(ACTIVATIONS.values()))
@pytest.mark.parametrize("dtype", FLOATS)
def test_no_warning_far_out(entry: Activation, dtype: type[np.floating]) -> None:
    largest = float(np.finfo(dtype).max) / 2
    x = np.array([-largest, -1000, -90, -0.0, 0.0, 90, 1000, largest], dtype=dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        if entry.elementwise:
            value, slope = entry(x), entry.derivative(x)
        else:
            value, slope = entry(x[1:-1]), entry.derivative(x[1:-1])
    assert np.isfinite(value).all()
    assert np.isfinite(slope).all()


LIMITS = {  # at -∞ and +∞
    "step": (0, 1),
    "sigmoid": (0, 1),
    "relu": (0, np.inf),
    "identity": (-np.inf, np.inf),
    "tanh": (-1, 1),
    "leaky_relu": (-np.inf, np.inf),
    "elu": (-1, np.inf),
    "selu": (-1.7580993408473766, np.inf),
    "gelu": (0, np.inf),
    "gelu_tanh": (0, np.inf),
    "silu": (0, np.inf),
    "softplus": (0, np.inf),
    "hard_sigmoid": (0, 1),
    "celu": (-1, np.inf),
    "mish": (0, np.inf),
    "hard_swish": (0, np.inf),
    "softsign": (-1, 1),
}


@each(ELEMENTWISE)
@pytest.mark.parametrize("dtype", FLOATS)
def test_infinity_travels(entry: Activation, dtype: type[np.floating]) -> None:
    found = entry(np.array([-np.inf, np.inf], dtype=dtype)).astype(np.float64)
    np.testing.assert_allclose(found, LIMITS[entry.name], atol=1e-35 if dtype == np.float32 else 1e-300, rtol=1e-3)
    assert np.isfinite(entry.derivative(np.array([-np.inf, np.inf], dtype=dtype))).all()


@each(ELEMENTWISE)
def test_nan_travels_and_touches_nothing_else(entry: Activation) -> None:
    found = entry(np.array([1.5, np.nan, -1.5]))
    assert np.isnan(found).tolist() == [False, True, False]
    assert found[0] == entry(1.5)
    assert found[2] == entry(-1.5)


@each(ALONG_ROWS)
def test_nan_spoils_its_own_row_only(entry: Activation) -> None:
    found = entry(np.array([[1.0, np.nan], [1.0, 2.0], [np.inf, 0.0], [-np.inf, -np.inf], [-np.inf, 1.0]]))
    assert np.isnan(found).all(axis=1).tolist() == [True, False, True, True, False]
    np.testing.assert_array_equal(found[1], entry([1.0, 2.0]))
    np.testing.assert_array_equal(found[4], [0, 1] if entry.name == "softmax" else [-np.inf, 0])


def test_signs_of_zero() -> None:
    for name in ("identity", "leaky_relu", "gelu", "gelu_tanh", "silu", "tanh"):
        assert math.copysign(1, ACTIVATIONS[name](-0.0)) == -1, name
    assert ACTIVATIONS["step"](-0.0) == 0
    assert ACTIVATIONS["sigmoid"](-0.0) == 0.5


# --- what goes in and comes out ---


@each(ELEMENTWISE)
def test_scalars_lists_and_shapes(entry: Activation) -> None:
    scalar = float(entry(0.75))
    assert not isinstance(np.asarray(0.75), type(entry(0.75)))  # a scalar, not an array of no dimensions
    assert entry([0.75, 0.75]).tolist() == [scalar, scalar]
    assert entry(np.full((2, 3, 4), 0.75)).shape == (2, 3, 4)
    assert entry(np.empty((0, 5))).shape == (0, 5)
    assert entry(np.asfortranarray(np.full((3, 4), 0.75)))[2, 3] == scalar
    assert entry(np.full(8, 0.75)[::2]).tolist() == [scalar] * 4


@each(list(ACTIVATIONS.values()))
def test_the_argument_is_left_alone(entry: Activation) -> None:
    x = np.linspace(-3, 3, 12).reshape(3, 4)
    before = x.copy()
    entry(x)
    entry.derivative(x)
    np.testing.assert_array_equal(x, before)


@each(list(ACTIVATIONS.values()))
@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int32", "int64"])
def test_integers_become_float64_except_in_step(entry: Activation, dtype: str) -> None:
    x = np.array([[0, 1], [1, 1]], dtype=dtype)
    found = entry(x)
    if entry.name == "step":
        assert found.dtype == ("int64" if dtype == "bool" else dtype)
    else:
        assert found.dtype == np.float64
    np.testing.assert_array_equal(found, entry(x.astype(np.float64)))


def test_step_is_the_chapters() -> None:
    assert activations.step(np.array([-1.0, 1.0, 2.0])).tolist() == [0, 1, 1]
    assert activations.step(3) == 1
    assert activations.step(0) == 0
    assert activations.step(np.array([0, 5], dtype=np.uint8)).dtype == np.uint8


@each(list(ACTIVATIONS.values()))
def test_what_is_not_a_real_number_is_refused(entry: Activation) -> None:
    for x in (1j, "a", [None]):
        with pytest.raises(DtypeError, match=r"^an activation needs real numbers, found dtype"):
            entry(x)  # type: ignore[arg-type]


@each(ALONG_ROWS)
def test_softmax_is_the_same_for_a_row_and_a_batch(entry: Activation) -> None:
    batch = np.random.default_rng(0).normal(size=(4, 5, 6)) * 10
    found = entry(batch)
    for index in np.ndindex(4, 5):
        np.testing.assert_array_equal(found[index], entry(batch[index]))
    total = found if entry.name == "softmax" else np.exp(found)
    np.testing.assert_allclose(total.sum(axis=-1), 1, rtol=1e-14)


@each(ALONG_ROWS)
def test_softmax_of_nothing_is_refused(entry: Activation) -> None:
    with pytest.raises(ShapeError, match=r"needs at least one value along the last axis, found shape \(3, 0\)"):
        entry(np.empty((3, 0)))
    assert entry(np.empty((0, 3))).shape == (0, 3)
    np.testing.assert_array_equal(entry(7.0), 1.0 if entry.name == "softmax" else 0.0)


reals = hnp.arrays(
    st.sampled_from([np.float32, np.float64]),
    hnp.array_shapes(min_dims=1, max_dims=3, max_side=6),
    elements=st.floats(-1e4, 1e4, width=32),
)


@given(reals, st.sampled_from(list(ACTIVATIONS)))
def test_any_array(x: Array, name: str) -> None:
    entry = ACTIVATIONS[name]
    found = entry(x)
    assert found.dtype == x.dtype
    expected = ORACLES[name](x.astype(np.float64))
    unit = float(np.finfo(x.dtype).eps)
    np.testing.assert_allclose(
        found, expected, rtol=16 * unit, atol=16 * unit * (1 if entry.elementwise else x.max() - x.min() + 1)
    )


@given(reals)
def test_softmax_does_not_care_for_a_shift_and_keeps_the_order(x: Array) -> None:
    x = x.astype(np.float64)
    found = activations.softmax(x)
    assert ((found >= 0) & (found <= 1)).all()
    np.testing.assert_allclose(found.sum(axis=-1), 1, rtol=1e-12)
    np.testing.assert_allclose(activations.softmax(x + 1000), found, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(np.diff(np.take_along_axis(found, x.argsort(axis=-1), axis=-1), axis=-1) >= 0, True)


# --- derivatives ---


@each(ELEMENTWISE)
def test_derivative_against_central_differences(entry: Activation) -> None:
    x = np.linspace(-7.9, 8.1, 333)
    x = x[np.abs(x) > 1e-3]  # kinks: 0 of the rectifiers, ±3 of hard_sigmoid
    x = x[np.abs(np.abs(x) - 3) > 1e-3]
    h = 1e-5
    expected = (ORACLES[entry.name](x + h) - ORACLES[entry.name](x - h)) / (2 * h)
    np.testing.assert_allclose(entry.derivative(x), expected, rtol=1e-7, atol=1e-9)
    np.testing.assert_array_equal(entry.derivative(x, entry(x)), entry.derivative(x))


@each(ALONG_ROWS)
def test_jacobian_against_central_differences(entry: Activation) -> None:
    x = np.random.default_rng(1).normal(size=(3, 4))
    h = 1e-6
    found = entry.derivative(x)
    assert found.shape == (3, 4, 4)
    for row, i, j in itertools.product(range(3), range(4), range(4)):
        up, down = x[row].copy(), x[row].copy()
        up[j] += h
        down[j] -= h
        slope = (ORACLES[entry.name](up)[i] - ORACLES[entry.name](down)[i]) / (2 * h)
        assert found[row, i, j] == pytest.approx(slope, abs=1e-8)
    np.testing.assert_array_equal(entry.derivative(x[0]), found[0])


@each(ELEMENTWISE)
@pytest.mark.parametrize("dtype", FLOATS)
def test_derivative_keeps_shape_and_dtype(entry: Activation, dtype: type[np.floating]) -> None:
    found = entry.derivative(np.full((2, 3), 0.5, dtype=dtype))
    assert found.shape == (2, 3)
    assert found.dtype == dtype
    assert np.ndim(entry.derivative(0.5)) == 0
    assert entry.derivative(1).dtype == np.float64


@each([entry for entry in ELEMENTWISE if entry.name not in {"step", "identity", "relu", "leaky_relu", "hard_sigmoid"}])
def test_nan_travels_through_derivatives(entry: Activation) -> None:
    assert np.isnan(entry.derivative(np.array([np.nan]))).all()


# --- choosing one ---


def test_activation_by_name() -> None:
    assert activation("relu") is ACTIVATIONS["relu"]
    assert activation(ACTIVATIONS["relu"]) is ACTIVATIONS["relu"]
    steep = activation("leaky_relu", slope=0.2)
    assert steep(-1.0) == -0.2
    assert steep.derivative(-1.0) == 0.2
    assert ACTIVATIONS["leaky_relu"](-1.0) == -0.01
    assert activation(steep, slope=0.3)(-1.0) == -0.3
    assert activation("elu", alpha=2)(-np.inf) == -2
    keras_1 = activation("hard_sigmoid", slope=0.2)
    assert keras_1([-2.5, 0.0, 1.0, 2.5]).tolist() == [0, 0.5, 0.7, 1]
    assert keras_1.derivative([-2.6, 0.0, 2.6]).tolist() == [0, 0.2, 0]


def test_a_leak_of_nothing_is_relu() -> None:
    assert activation("leaky_relu", slope=0.0)([-1.0, 2.0, np.inf]).tolist() == [0, 2, np.inf]


def test_errors_in_choosing() -> None:
    with pytest.raises(OptionError) as unknown:
        activation("sigmod")
    assert unknown.value.message == "unknown activation 'sigmod'"
    assert unknown.value.hint.startswith("one of step, sigmoid, relu, identity, softmax, tanh")
    with pytest.raises(OptionError, match=r"^unknown activation <ufunc 'tanh'>\n"):
        activation(np.tanh)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match=r"^activation 'relu' has no parameter 'slope'; it has: none$"):
        activation("relu", slope=0.1)
    with pytest.raises(OptionError, match=r"^activation 'elu' has no parameter 'slope'; it has: alpha$"):
        activation("elu", slope=0.1)
    with pytest.raises(OptionError, match=r"^activation 'elu': alpha must be finite, found nan$"):
        activation("elu", alpha=math.nan)


def test_equality_hash_and_words() -> None:
    assert activation("elu", alpha=1.0) == ACTIVATIONS["elu"]
    assert activation("elu", alpha=2.0) != ACTIVATIONS["elu"]
    assert hash(activation("elu", alpha=1.0)) == hash(ACTIVATIONS["elu"])
    assert ACTIVATIONS["elu"] != ACTIVATIONS["selu"]
    assert ACTIVATIONS["elu"] != "elu"
    assert str(activation("elu", alpha=0.5)) == "elu(alpha=0.5)"
    assert str(ACTIVATIONS["relu"]) == "relu"


@pytest.mark.parametrize("entry", [*ACTIVATIONS.values(), activation("elu", alpha=0.5)], ids=str)
def test_pickle_and_copy(entry: Activation) -> None:
    for again in (pickle.loads(pickle.dumps(entry)), copy.copy(entry), copy.deepcopy(entry)):
        assert again == entry
        np.testing.assert_array_equal(again([-1.0, 2.0]), entry([-1.0, 2.0]))


def test_another_tools_name_is_taken() -> None:
    assert activation("linear") is ACTIVATIONS["identity"]
