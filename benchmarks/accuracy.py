"""Measure the compiled activations against float64, over all of float32: ``python benchmarks/accuracy.py``.

Prints the table of docs/concepts/same-bits.md. Each function is emitted by itself, with the code that the kernels
use, and its error is counted in units in the last place (ulp) of the float32 nearest to the true value; among the
denormal numbers, those are steps of 2⁻¹⁴⁹. All 2³² floats take some minutes a function; ``--stride 1009`` takes one
of 1009.
"""

from __future__ import annotations

import argparse
import ctypes
import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import llvmlite
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from scipy import special

from glassnet.activations import ACTIVATIONS, SELU_ALPHA, SELU_SCALE
from glassnet.compiler import functions
from glassnet.compiler.language import F32, I64, POINTER, VOID, Function, Value, vector
from glassnet.compiler.machine import assemble, link, native_machine

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

LANES = 16
CHUNK = 1 << 15
# The logarithm is taken of the sums of softmax only, of 1 to 2²⁴ numbers up to 1.
LARGEST_SUM = 2.0**24
SMALLEST_NORMAL = 2.0**-126
PARAMETERS = {"x": POINTER, "y": POINTER, "count": I64}


def _float32(value: float) -> float:
    """Return a parameter as the network holds it."""
    return float(np.float32(value))


# --- the truth, in float64 ---


def _softplus(x: Doubles) -> Doubles:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _silu(x: Doubles) -> Doubles:
    return np.maximum(x, -1000) * special.expit(x)


def _gelu(x: Doubles) -> Doubles:
    return np.maximum(x, -1000) * special.ndtr(x)


def _gelu_tanh(x: Doubles) -> Doubles:
    return np.maximum(x, -1000) * special.expit(2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x * x * x))


def _log(x: Doubles) -> Doubles:
    return np.log(np.clip(x, 1, LARGEST_SUM))


def _leaky_relu(x: Doubles, slope: float) -> Doubles:
    return np.where(x > 0, x, slope * x)


def _elu(x: Doubles, alpha: float) -> Doubles:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _selu(x: Doubles) -> Doubles:
    return SELU_SCALE * _elu(x, SELU_ALPHA)


def _hard_sigmoid(x: Doubles, slope: float, offset: float) -> Doubles:
    return np.clip(slope * x + offset, 0, 1)


def _celu(x: Doubles, alpha: float) -> Doubles:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha))


def _mish(x: Doubles) -> Doubles:
    return np.maximum(x, -1000) * np.tanh(_softplus(x))


def _hard_swish(x: Doubles) -> Doubles:
    return np.maximum(x, -1000) * np.clip((x + 3) / 6, 0, 1)


def _softsign(x: Doubles) -> Doubles:
    bounded = np.clip(x, -np.finfo(np.float64).max, np.finfo(np.float64).max)
    return bounded / (1 + np.abs(bounded))


@dataclass(frozen=True)
class Subject:
    """A function to measure: as it is emitted, and in float64."""

    emitted: Callable[..., Value]
    truth: Callable[..., Doubles]


SUBJECTS: Mapping[str, Subject] = MappingProxyType(
    {
        "exp": Subject(functions.exp, np.exp),
        "log": Subject(lambda x: functions.log_positive(x.at_least(1.0).at_most(LARGEST_SUM)), _log),
        **{
            name: Subject(functions.ELEMENTWISE[name], truth)
            for name, truth in {
                "sigmoid": special.expit,
                "tanh": np.tanh,
                "elu": _elu,
                "selu": _selu,
                "softplus": _softplus,
                "silu": _silu,
                "gelu": _gelu,
                "gelu_tanh": _gelu_tanh,
                "hard_sigmoid": _hard_sigmoid,
                "leaky_relu": _leaky_relu,
                "relu": lambda x: np.maximum(x, 0),
                "step": lambda x: np.heaviside(x, 0),
                "identity": lambda x: x,
                "celu": _celu,
                "mish": _mish,
                "hard_swish": _hard_swish,
                "softsign": _softsign,
            }.items()
        },
    }
)


# --- the measurement ---


@functools.cache
def compiled(name: str, target: str | None = None) -> Callable[[Floats], Floats]:
    """Return a subject as machine code over float32 arrays of whole vectors."""
    module = ir.Module("accuracy")
    machine = native_machine(target)
    f = Function(module, "apply", VOID, PARAMETERS, scalef=machine.target.scalef)
    x, y, count = f.arguments
    with f.loop(count, step=LANES) as loop:
        value = x.at(F32, loop.index).load(vector(F32, LANES))
        y.at(F32, loop.index).store(SUBJECTS[name].emitted(value, **_parameters(name)))
    f.give()
    code = link(assemble(str(module), machine), machine, ("apply",), {})
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)(code.addresses["apply"])

    def apply(values: Floats, keep: object = code) -> Floats:
        padded = np.zeros(-(-values.size // LANES) * LANES, np.float32)
        padded[: values.size] = values
        result = np.empty_like(padded)
        function(padded.ctypes.data, result.ctypes.data, padded.size)
        return result[: values.size]

    return apply


def _parameters(name: str) -> Mapping[str, float]:
    return ACTIVATIONS[name].parameters if name in ACTIVATIONS else {}


def truth(name: str, x: Floats) -> Doubles:
    """Return a subject's true values."""
    parameters = {key: _float32(value) for key, value in _parameters(name).items()}
    with np.errstate(all="ignore"):
        return SUBJECTS[name].truth(x.astype(np.float64), **parameters)


def ulps(found: Floats, true: Doubles) -> Doubles:
    """Return the errors in ulp; infinity counts as 2¹²⁸, the number that would come next; NaN is right for NaN only."""
    with np.errstate(all="ignore"):
        nearest = true.astype(np.float32)
        unit = np.spacing(np.minimum(np.abs(nearest), np.float32(2.0**127))).astype(np.float64)
        error = np.abs(np.clip(found.astype(np.float64), -(2.0**128), 2.0**128) - true) / unit
    error[(found == nearest) & np.isinf(nearest) | np.isnan(found) & np.isnan(true)] = 0
    error[np.isnan(error)] = np.inf
    return error


@dataclass(frozen=True)
class Worst:
    """The largest error of a function, and where; among normal results or among denormal ones."""

    ulp: float = 0.0
    at: float = 0.0


def measure(name: str, batches: Iterator[Floats]) -> tuple[Worst, Worst]:
    """Return the worst errors where the true value is a normal number (0, infinity or NaN too), and denormal."""
    worst = [Worst(), Worst()]
    for x in batches:
        true = truth(name, x)
        errors = ulps(compiled(name)(x), true)
        denormal = (np.abs(true) < SMALLEST_NORMAL) & (true != 0)
        for kind, chosen in enumerate((~denormal, denormal)):
            among = np.where(chosen, errors, 0)
            at = int(among.argmax())
            if among[at] > worst[kind].ulp:
                worst[kind] = Worst(float(among[at]), float(x[at]))
    return worst[0], worst[1]


def floats(stride: int = 1) -> Iterator[Floats]:
    """Return every ``stride``-th float32 in the order of their bits, in batches: NaN and infinity among them."""
    for start in range(0, 1 << 32, stride * CHUNK):
        bits = np.arange(start, min(start + stride * CHUNK, 1 << 32), stride, dtype=np.uint64)
        yield bits.astype(np.uint32).view(np.float32)


def row(name: str, normal: Worst, denormal: Worst) -> str:
    """Return a line of the table."""

    def cells(worst: Worst) -> str:
        return f"{worst.ulp:.2f} | {worst.at:.6g}" if worst.ulp else "0 | "

    return f"| {name} | {cells(normal)} | {cells(denormal)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--stride", type=int, default=1)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(SUBJECTS)}; all where left out")
    given = parser.parse_args()
    print(f"llvmlite {llvmlite.__version__}, NumPy {np.__version__}, target {native_machine().target.name}, ", end="")
    print("every float32" if given.stride == 1 else f"one float32 of {given.stride:,}", end="\n\n")
    print("| function | ulp, at most | at x | ulp where the result is denormal | at x |\n|---|---|---|---|---|")
    for name in given.names or SUBJECTS:
        print(row(name, *measure(name, floats(given.stride))), flush=True)


if __name__ == "__main__":
    main()
