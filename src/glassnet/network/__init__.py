"""Networks: the steps they are made of, the forward pass, the view inside."""

from glassnet.network.algebra import collapse
from glassnet.network.graph import Input, Label, Network
from glassnet.network.steps import (
    STEPS,
    Activate,
    Add,
    Clip,
    Concatenate,
    Dense,
    Multiply,
    Reshape,
    ScaleShift,
    Slice,
    Step,
)
from glassnet.network.summary import summary
from glassnet.network.trace import LayerTrace, Trace, trace

__all__ = [
    "STEPS",
    "Activate",
    "Add",
    "Clip",
    "Concatenate",
    "Dense",
    "Input",
    "Label",
    "LayerTrace",
    "Multiply",
    "Network",
    "Reshape",
    "ScaleShift",
    "Slice",
    "Step",
    "Trace",
    "collapse",
    "summary",
    "trace",
]
