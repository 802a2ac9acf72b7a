"""A small typed layer over ``llvmlite.ir``, so that a kernel reads like its mathematics.

``Value`` has the operators of numbers, ``Pointer`` has ``at``, ``load`` and ``store``, and a loop carries its
accumulators as SSA values instead of stack slots, so the machine code needs no optimisation passes before it is
fast: ``with f.loop(n, carry=[total]) as loop: loop.carry = [loop.carry[0] + …]``.

Everything is written on portable vector types; LLVM splits what is wider than the target.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

VOID = ir.VoidType()
I1, I8, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 32, 64))
F32 = ir.FloatType()
POINTER = ir.PointerType()

_SIZES = {I8: 1, I32: 4, I64: 8, F32: 4, POINTER: 8}


@functools.cache
def vector(element: ir.Type, lanes: int) -> ir.Type:
    """Return the vector type of ``lanes`` elements, each time the same object, whose text is made once."""
    return ir.VectorType(element, lanes)


class _Splat(ir.Constant):
    """A vector with the same number in every lane, which is written once."""

    def get_reference(self) -> str:
        return f"splat ({self.constant[0]})"

    def _to_string(self) -> str:
        return f"{self.type} {self.get_reference()}"


def constant(kind: ir.Type, value: Any) -> ir.Constant:
    """Return ``value``, in every lane of a vector type."""
    return _constant(kind, repr(value), value)  # 0.0 and -0.0 are equal, and not the same


@functools.cache
def _constant(kind: ir.Type, text: str, value: Any) -> ir.Constant:
    if isinstance(kind, ir.VectorType):
        return _Splat(kind, [ir.Constant(kind.element, value)] * kind.count)
    return ir.Constant(kind, value)


@functools.cache
def _undefined(kind: ir.Type) -> ir.Constant:
    return ir.Constant(kind, ir.Undefined)


@functools.cache
def _chosen(lanes: tuple[int, ...]) -> ir.Constant:
    """Return the constant that names lanes in a shuffle."""
    return ir.Constant(vector(I32, len(lanes)), list(lanes))


def _element(kind: ir.Type) -> ir.Type:
    return kind.element if isinstance(kind, ir.VectorType) else kind


class Value:
    """An SSA value, scalar or vector; comparisons are ordered, so NaN makes them false (``differs`` true)."""

    __slots__ = ("f", "v")

    def __init__(self, f: Function, v: ir.Value) -> None:
        self.f = f
        self.v = v

    @property
    def kind(self) -> ir.Type:
        """The LLVM type."""
        return self.v.type

    @property
    def is_float(self) -> bool:
        """Whether the elements are floating point."""
        return _element(self.kind) is F32 or _element(self.kind) == F32

    def lift(self, other: Value | float) -> ir.Value:
        """Return ``other`` as an operand of this type."""
        return other.v if isinstance(other, Value) else constant(self.kind, other)

    def _binary(self, other: Value | float, floating: str, integer: str, swap: bool = False) -> Value:
        left, right = self.v, self.lift(other)
        if swap:
            left, right = right, left
        return Value(self.f, getattr(self.f.builder, floating if self.is_float else integer)(left, right))

    def __add__(self, other: Value | float) -> Value:
        return self._binary(other, "fadd", "add")

    def __sub__(self, other: Value | float) -> Value:
        return self._binary(other, "fsub", "sub")

    def __rsub__(self, other: Value | float) -> Value:
        return self._binary(other, "fsub", "sub", swap=True)

    def __mul__(self, other: Value | float) -> Value:
        return self._binary(other, "fmul", "mul")

    def __truediv__(self, other: Value | float) -> Value:
        return self._binary(other, "fdiv", "sdiv")

    def __rtruediv__(self, other: Value | float) -> Value:
        return self._binary(other, "fdiv", "sdiv", swap=True)

    def __floordiv__(self, other: Value | int) -> Value:
        """Divide integers that are not negative."""
        return Value(self.f, self.f.builder.udiv(self.v, self.lift(other)))

    def __mod__(self, other: Value | int) -> Value:
        return Value(self.f, self.f.builder.urem(self.v, self.lift(other)))

    def __neg__(self) -> Value:
        return Value(self.f, self.f.builder.fneg(self.v) if self.is_float else self.f.builder.neg(self.v))

    def __and__(self, other: Value | int) -> Value:
        return Value(self.f, self.f.builder.and_(self.v, self.lift(other)))

    def __or__(self, other: Value | int) -> Value:
        return Value(self.f, self.f.builder.or_(self.v, self.lift(other)))

    def __lshift__(self, bits: int) -> Value:
        return Value(self.f, self.f.builder.shl(self.v, self.lift(bits)))

    def __rshift__(self, bits: int) -> Value:
        """Shift right, keeping the sign."""
        return Value(self.f, self.f.builder.ashr(self.v, self.lift(bits)))

    def _compare(self, operator: str, other: Value | float) -> Value:
        compare = self.f.builder.fcmp_ordered if self.is_float else self.f.builder.icmp_signed
        return Value(self.f, compare(operator, self.v, self.lift(other)))

    def __lt__(self, other: Value | float) -> Value:
        return self._compare("<", other)

    def __le__(self, other: Value | float) -> Value:
        return self._compare("<=", other)

    def __gt__(self, other: Value | float) -> Value:
        return self._compare(">", other)

    def __ge__(self, other: Value | float) -> Value:
        return self._compare(">=", other)

    def equals(self, other: Value | float) -> Value:
        """Return whether both are equal."""
        return self._compare("==", other)

    def differs(self, other: Value | float) -> Value:
        """Return whether they differ; NaN differs from everything."""
        compare = self.f.builder.fcmp_unordered if self.is_float else self.f.builder.icmp_signed
        return Value(self.f, compare("!=", self.v, self.lift(other)))

    def choose(self, yes: Value, no: Value | float) -> Value:
        """Return ``yes`` where this condition holds, ``no`` elsewhere."""
        return type(yes)(self.f, self.f.builder.select(self.v, yes.v, yes.lift(no)))

    def at_most(self, limit: float) -> Value:
        """Return min(self, limit), NaN kept."""
        return (self > limit).choose(self.f.constant(self.kind, limit), self)

    def at_least(self, limit: float) -> Value:
        """Return max(self, limit), NaN kept."""
        return (self < limit).choose(self.f.constant(self.kind, limit), self)

    def bits_as(self, element: ir.Type) -> Value:
        """Return the same bits as elements of another type."""
        kind = vector(element, self.kind.count) if isinstance(self.kind, ir.VectorType) else element
        return Value(self.f, self.f.builder.bitcast(self.v, kind))

    def to_float(self) -> Value:
        """Return unsigned integers as float32."""
        kind = vector(F32, self.kind.count) if isinstance(self.kind, ir.VectorType) else F32
        return Value(self.f, self.f.builder.uitofp(self.v, kind))

    def widen(self, element: ir.Type) -> Value:
        """Return unsigned integers in a wider type."""
        kind = vector(element, self.kind.count) if isinstance(self.kind, ir.VectorType) else element
        return Value(self.f, self.f.builder.zext(self.v, kind))

    def narrow(self, element: ir.Type) -> Value:
        """Return integers in a narrower type, their upper bits dropped."""
        return Value(self.f, self.f.builder.trunc(self.v, element))

    def splat(self, lanes: int) -> Value:
        """Return this scalar in every lane."""
        undefined = _undefined(vector(self.kind, lanes))
        first = self.f.builder.insert_element(undefined, self.v, constant(I32, 0))
        return Value(self.f, self.f.builder.shuffle_vector(first, undefined, constant(vector(I32, lanes), 0)))

    def lanes(self, chosen: Sequence[int]) -> Value:
        """Return the chosen lanes as a shorter or equal vector."""
        return self.shuffled(self, chosen)

    def beside(self, other: Value) -> Value:
        """Return the lanes of this vector, then those of another of its type."""
        return self.shuffled(other, range(2 * self.kind.count))

    def shuffled(self, other: Value, chosen: Sequence[int]) -> Value:
        """Return chosen lanes of this vector and another of its type, whose lanes are numbered after this one's."""
        return Value(self.f, self.f.builder.shuffle_vector(self.v, other.v, _chosen(tuple(chosen))))

    def lane(self, index: int) -> Value:
        """Return one lane as a scalar."""
        return Value(self.f, self.f.builder.extract_element(self.v, constant(I32, index)))


class Pointer(Value):
    """An address; ``at`` counts in elements of the given type."""

    __slots__ = ()

    def at(self, element: ir.Type, index: Value | int) -> Pointer:
        """Return the address ``index`` elements further on."""
        offset = index.v if isinstance(index, Value) else constant(I64, index)
        return Pointer(self.f, self.f.builder.gep(self.v, [offset], source_etype=element))

    def load(self, kind: ir.Type) -> Value:
        """Load a scalar or vector; only its elements need to be aligned."""
        return Value(self.f, self.f.builder.load(self.v, typ=kind, align=_SIZES[_element(kind)]))

    def load_pointer(self) -> Pointer:
        """Load an address."""
        return Pointer(self.f, self.f.builder.load(self.v, typ=POINTER, align=8))

    def store(self, value: Value) -> None:
        """Store a scalar or vector; only its elements need to be aligned."""
        self.f.builder.store(value.v, self.v, align=_SIZES[_element(value.kind)])


class Loop:
    """A counting loop being emitted: ``index``, and the values it carries from turn to turn."""

    def __init__(self, index: Value, carry: list[Value]) -> None:
        self.index = index
        self.carry = carry


class Function:
    """A function being emitted, and the position in it."""

    def __init__(
        self,
        module: ir.Module,
        name: str,
        result: ir.Type,
        parameters: Mapping[str, ir.Type],
        *,
        internal: bool = False,
        scalef: bool = False,
    ) -> None:
        self.module = module
        self.scalef_available = scalef
        self.function = ir.Function(module, ir.FunctionType(result, list(parameters.values())), name)
        self.function.attributes.add("nounwind")
        if internal:
            self.function.linkage = "internal"
        for argument, parameter in zip(self.function.args, parameters, strict=True):
            argument.name = parameter
        self.builder = ir.IRBuilder(self.function.append_basic_block("entry"))

    @property
    def arguments(self) -> list[Any]:
        """The parameters as values, in order."""
        return [(Pointer if a.type == POINTER else Value)(self, a) for a in self.function.args]

    def constant(self, kind: ir.Type, value: Any) -> Value:
        """Return a constant value."""
        return Value(self, constant(kind, value))

    def i64(self, value: Value | int) -> Value:
        """Return an index as a 64-bit integer."""
        return value if isinstance(value, Value) else self.constant(I64, value)

    def null(self) -> Pointer:
        """Return the null address."""
        return Pointer(self, ir.Constant(POINTER, None))

    def stack(self, element: ir.Type, count: int) -> Pointer:
        """Return room on the stack for ``count`` elements, aligned to a cache line, made once at the entry."""
        with self.builder.goto_entry_block():
            room = self.builder.alloca(element, size=ir.Constant(I64, count))
            room.align = 64
        return Pointer(self, room)

    def fma(self, x: Value, y: Value, z: Value | float) -> Value:
        """Return x · y + z, rounded once."""
        addend = z if isinstance(z, Value) else self.constant(x.kind, z)
        return self.intrinsic("llvm.fma", x.kind, x, y, addend)

    def polynomial(self, x: Value, coefficients: Sequence[float]) -> Value:
        """Return Σ coefficients[i] · xⁱ by Horner's rule, every step fused."""
        total = self.constant(x.kind, coefficients[-1])
        for coefficient in reversed(coefficients[:-1]):
            total = self.fma(total, x, coefficient)
        return total

    def intrinsic(self, name: str, result: ir.Type, *arguments: Value) -> Value:
        """Call an intrinsic that is overloaded on its result's type."""
        suffix = f"v{result.count}" if isinstance(result, ir.VectorType) else ""
        suffix += "f32" if _element(result) == F32 else f"i{_element(result).width}"
        return self.call(f"{name}.{suffix}", result, *arguments)

    def scalef(self, x: Value, whole: Value) -> Value:
        """Return x · 2**whole in one AVX-512 instruction."""
        every = Value(self, ir.Constant(ir.IntType(16), -1))
        rounding = self.constant(I32, 4)  # as the control register says
        return self.call("llvm.x86.avx512.mask.scalef.ps.512", x.kind, x, whole, x, every, rounding)

    def lane_numbers(self, lanes: int) -> Value:
        """Return 0, 1, 2, … as 32-bit integers."""
        return Value(self, ir.Constant(vector(I32, lanes), list(range(lanes))))

    def prefetch(self, at: Pointer) -> None:
        """Ask for a cache line to be brought near for reading; an address outside of memory is no fault."""
        read, near, data = (self.constant(I32, value) for value in (0, 2, 1))
        self.call("llvm.prefetch.p0", VOID, at, read, near, data)

    def compress(self, value: Value, mask: Value) -> Value:
        """Return the lanes where ``mask`` holds, moved together at the front; the others are undefined."""
        undefined = Value(self, _undefined(value.kind))
        return self.intrinsic("llvm.experimental.vector.compress", value.kind, value, mask, undefined)

    def count(self, mask: Value) -> Value:
        """Return in how many lanes ``mask`` holds, as a 64-bit integer."""
        lanes = ir.IntType(mask.kind.count)
        packed = Value(self, self.builder.bitcast(mask.v, lanes))
        return self.intrinsic("llvm.ctpop", lanes, packed).widen(I64)

    def call(self, name: str, result: ir.Type, *arguments: Value) -> Value:
        """Call a function of the module, or one that the linker is given, by name."""
        return Value(self, self._called(name, result, arguments))

    def call_pointer(self, name: str, *arguments: Value) -> Pointer:
        """Call a function that gives an address."""
        return Pointer(self, self._called(name, POINTER, arguments))

    def _called(self, name: str, result: ir.Type, arguments: Sequence[Value]) -> ir.Value:
        callee = self.module.globals.get(name)
        if callee is None:
            kind = ir.FunctionType(result, [argument.kind for argument in arguments])
            callee = ir.Function(self.module, kind, name)
        return self.builder.call(callee, [argument.v for argument in arguments])

    @contextmanager
    def loop(
        self, stop: Value | int, *, start: Value | int = 0, step: Value | int = 1, carry: Sequence[Value] = ()
    ) -> Iterator[Loop]:
        """Emit ``for index in range(start, stop, step)``.

        The body replaces ``carry`` for the next turn; afterwards it holds the last values.
        """
        before = self.builder.block
        head, body, done = (self.function.append_basic_block(name) for name in ("loop", "body", "done"))
        first, last, stride = self.i64(start).v, self.i64(stop).v, self.i64(step).v
        self.builder.branch(head)
        self.builder.position_at_end(head)
        index = self.builder.phi(I64)
        index.add_incoming(first, before)
        carried = [self.builder.phi(value.kind) for value in carry]
        for phi, value in zip(carried, carry, strict=True):
            phi.add_incoming(value.v, before)
        self.builder.cbranch(self.builder.icmp_signed("<", index, last), body, done)
        self.builder.position_at_end(body)
        wrap = [type(value) for value in carry]
        loop = Loop(Value(self, index), [make(self, phi) for make, phi in zip(wrap, carried, strict=True)])
        yield loop
        index.add_incoming(self.builder.add(index, stride), self.builder.block)
        for phi, value in zip(carried, loop.carry, strict=True):
            phi.add_incoming(value.v, self.builder.block)
        self.builder.branch(head)
        self.builder.position_at_end(done)
        loop.carry = [make(self, phi) for make, phi in zip(wrap, carried, strict=True)]

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """Emit ``if condition: …``."""
        with self.builder.if_then(condition.v):
            yield

    @contextmanager
    def either(self, condition: Value) -> Iterator[tuple[Any, Any]]:
        """Emit ``if condition: … else: …``; gives the two contexts."""
        with self.builder.if_else(condition.v) as branches:
            yield branches

    def give(self, value: Value | None = None) -> None:
        """Return from the function."""
        if value is None:
            self.builder.ret_void()
        else:
            self.builder.ret(value.v)
