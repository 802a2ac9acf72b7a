"""Networks: the steps they are made of, the forward pass, the view inside."""

from glassnet.network.algebra import collapse
from glassnet.network.arithmetic import BINARY, FUNCTIONS, BinaryFunction, Function
from glassnet.network.committee import committee
from glassnet.network.graph import Input, Network
from glassnet.network.labels import Label, label_array
from glassnet.network.reducing import REDUCTIONS
from glassnet.network.steps import (
    STEPS,
    Activate,
    Add,
    ArgMax,
    Binary,
    Cast,
    Clip,
    Concatenate,
    Constant,
    Dense,
    Map,
    MatMul,
    Multiply,
    Normalise,
    PRelu,
    Reduce,
    Reshape,
    ScaleShift,
    Select,
    Slice,
    Step,
    Take,
    Transpose,
)
from glassnet.network.summary import summary
from glassnet.network.trace import LayerTrace, Trace, trace

__all__ = [
    "BINARY",
    "FUNCTIONS",
    "REDUCTIONS",
    "STEPS",
    "Activate",
    "Add",
    "ArgMax",
    "Binary",
    "BinaryFunction",
    "Cast",
    "Clip",
    "Concatenate",
    "Constant",
    "Dense",
    "Function",
    "Input",
    "Label",
    "LayerTrace",
    "Map",
    "MatMul",
    "Multiply",
    "Network",
    "Normalise",
    "PRelu",
    "Reduce",
    "Reshape",
    "ScaleShift",
    "Select",
    "Slice",
    "Step",
    "Take",
    "Trace",
    "Transpose",
    "collapse",
    "committee",
    "label_array",
    "summary",
    "trace",
]
