"""The ONNX project's own node tests, run against glassnet as a backend.

Every test is tried. One whose operators are all read must pass, unless EXCLUDED says why not; one that is excluded, or
has an operator that is not read, must fail, so that neither list can grow old.
"""

from __future__ import annotations

import re
import warnings

import pytest

pytest.importorskip("onnx", reason="the onnx package is not installed")

import onnx
from onnx.backend.test.loader import load_model_tests
from onnx.backend.test.runner import Runner

from glassnet.errors import GlassnetError
from glassnet.formats.onnx.graph import OPERATORS
from onnxmodels.backend import Glassnet, plain

# What is asked of glassnet at least.
LISTED_NAMES = """
    Gemm MatMul Add Sub Mul Div Neg Relu LeakyRelu PRelu Elu Selu Celu Gelu Sigmoid HardSigmoid HardSwish Mish Tanh
    Softplus Softsign Softmax LogSoftmax Exp Log Sqrt Pow Abs Clip Min Max BatchNormalization LayerNormalization
    Dropout Flatten Reshape Squeeze Unsqueeze Transpose Concat Split Slice Gather ReduceSum ReduceMean ReduceMax
    ArgMax Identity Constant ConstantOfShape Shape Cast CastLike QuantizeLinear DequantizeLinear
    DynamicQuantizeLinear MatMulInteger QLinearMatMul QGemm ZipMap Scaler Normalizer ArrayFeatureExtractor
    LabelEncoder Imputer
"""
LISTED = set(LISTED_NAMES.split())
READ = set().union(*OPERATORS.values())

# Pattern of names → why these are not passed.
EXCLUDED = {
    r"_to_(FLOAT8|FLOAT4|U?INT[24])": "answers in fewer than 8 bits",
    r"test_quantizelinear_(u?int[24]|float4e2m1|e4m3fn|e5m2)$": "answers in fewer than 8 bits",
    r"training_dropout(?!_zero_ratio)": "training mode: an answer depends on chance",
    r"training_mode": "training mode: a row's answer depends on the others in its batch",
    r"empty_set|zero_size|allowzero_reordered": "tensors without values",
    r"start_out_of_bounds|start_greater_than_end": "tensors without values",
    r"_blocked": "quantised in blocks",
    r"label_encoder|constantofshape|test_constant$": "no input but shapes and labels: nothing is left to compute",
    r"identity_(opt|sequence)": "a value that is no tensor",
    r"equal_string": "comparing texts",
}


def answered(model: onnx.ModelProto, sets: object, rtol: float, atol: float) -> str:
    """Return why a test fails; empty where it passes."""
    try:
        for inputs, outputs in sets:  # type: ignore[attr-defined]
            found = Glassnet.prepare(model).run(inputs)
            wanted = [plain_or_given(output) for output in outputs]
            Runner.assert_similar_outputs(wanted, found, rtol, atol)
    except (GlassnetError, AssertionError, TypeError, AttributeError) as error:
        return " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return ""


def plain_or_given(output: object) -> object:
    return onnx.numpy_helper.to_array(output) if isinstance(output, onnx.TensorProto) else output


def test_node_tests() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # making the tests overflows here and there
        cases = load_model_tests(kind="node")
    passed, listed, excluded, unread = 0, 0, dict.fromkeys(EXCLUDED, 0), 0
    wrong = []
    for case in cases:
        operators = {node.op_type for node in case.model.graph.node}
        reason = answered(case.model, case.data_sets, case.rtol, case.atol)
        rule = next((pattern for pattern in EXCLUDED if re.search(pattern, case.name)), None)
        if operators - READ:
            unread += 1
            if not reason:
                wrong.append(f"{case.name} passes, with operators that are not read")
        elif rule and reason:
            excluded[rule] += 1
        elif rule and operators <= LISTED and not reason:
            wrong.append(f"{case.name} is excluded and passes: {EXCLUDED[rule]}")
        elif reason:
            wrong.append(f"{case.name} fails: {reason}")
        else:
            passed += 1
            listed += operators <= LISTED
    print(f"\nONNX node tests: {passed} pass, {listed} of them of the listed operators alone; ", end="")
    print(f"{sum(excluded.values())} excluded; {unread} of operators that are not read")
    assert not wrong, "\n".join(wrong)
    assert all(excluded.values()), f"a rule that excludes nothing: {excluded}"
    assert listed >= 500
    assert set() == LISTED - READ


def test_a_wrong_answer_would_be_seen() -> None:
    import numpy as np

    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    value = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2]) for name in "xy"]
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", value[:1], value[1:]))
    x = np.array([-1, 2], np.float32)
    assert answered(model, [([x], [np.maximum(x, 0)])], 1e-3, 0) == ""
    assert answered(model, [([x], [x])], 1e-3, 0).startswith("AssertionError")
    assert plain(x) is x
