"""Internal functions of a module, emitted when first called for.

A network of 200 equal layers needs the code of one. So what works on a layer is a routine: a function of the machine
code that depends on shapes and is told addresses. Whoever calls it names what it depends on; the same again is the
same function.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

from llvmlite import ir

from glassnet.compiler.language import VOID, Function, Value
from glassnet.compiler.targets import Target


@dataclass(frozen=True)
class Routine:
    """What emits a function: its body, given the shapes it depends on, and the types of its arguments, by name."""

    emit: Callable[..., Value | None]
    arguments: Mapping[str, ir.Type]
    result: ir.Type


def routine(result: ir.Type = VOID, **arguments: ir.Type) -> Callable[[Callable[..., Value | None]], Routine]:
    """Make a routine of a function ``emit(f, routines, *shapes)``, which may return its result."""
    return lambda emit: Routine(emit, arguments, result)


class Routines:
    """The routines of a module that is being emitted."""

    def __init__(self, module: ir.Module, target: Target) -> None:
        self.module = module
        self.target = target
        self._names: dict[tuple[Hashable, ...], str] = {}

    def call(self, f: Function, wanted: Routine, shapes: tuple[Hashable, ...], *arguments: Value) -> Value:
        """Emit a call in ``f`` of the routine for these shapes, and the routine itself before its first call."""
        key = (id(wanted), *shapes)
        if key not in self._names:
            self._names[key] = f"{wanted.emit.__name__}_{len(self._names) + 1}"
            self._emit(wanted, shapes, self._names[key])
        return f.call(self._names[key], wanted.result, *arguments)

    def _emit(self, wanted: Routine, shapes: tuple[Hashable, ...], name: str) -> None:
        inside = Function(self.module, name, wanted.result, wanted.arguments, internal=True, scalef=self.target.scalef)
        inside.give(wanted.emit(inside, self, *shapes))
