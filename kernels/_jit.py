"""The one door to numba: how a plain function becomes a kernel.

A kernel is compiled at its first call for the types it meets, strictly (no fastmath, division
by zero gives an IEEE infinity or nan, never an exception), without holding the interpreter
lock, and kept in numba's cache on disk. Bounds are checked only where the operator asks for
it with ``NUMBA_BOUNDSCHECK=1``. With ``NUMBA_DISABLE_JIT=1`` every kernel stays the plain
Python function that was written, and gives the same bits.
"""

from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from importlib.resources import files
from typing import Any, Final, TypeVar, cast

import numba
from llvmlite import ir
from numba.core import config, types
from numba.extending import intrinsic

Kernel = TypeVar("Kernel", bound=Callable[..., object])

KERNELS: Final[list[Callable[..., object]]] = []
"""Every kernel of the process in order of definition, so that all can be compiled before work starts."""

# Numba decides this while it is imported, before any module of ours could: here one can only refuse.
if config.USING_SVML:  # type: ignore[attr-defined]
    raise ImportError(
        "numba found Intel's SVML and would use it; its last bits differ from other machines: "
        "set NUMBA_DISABLE_INTEL_SVML=1 before Python starts"
    )


def _source_stamp() -> str:
    """Name the exact text of every module whose functions or constants a kernel can contain.

    Numba stamps a cached kernel with its own file alone, yet the machine code also holds the
    kernels it calls and the constants it reads, from other files. Editing those would leave a
    stale caller behind: old numbers without a warning.
    """
    digest = blake2b(digest_size=16)
    for room in ("schemas", "kernels"):
        sources = {source.name: source for source in files(room).iterdir() if source.name.endswith(".py")}
        for name in sorted(sources):
            text = sources[name].read_bytes()
            digest.update(f"{room} {name} {len(text)}\n".encode())
            digest.update(text)
    return digest.hexdigest()


_STAMP: Final = _source_stamp()
CHECKED: Final = "-checked"


def compiled_so_far() -> int:
    """How many of ``KERNELS`` have their machine code."""
    return sum(bool(getattr(one, "signatures", True)) for one in KERNELS)


def kernel(function: Kernel) -> Kernel:
    """Compile ``function`` at its first call and enter it in ``KERNELS``; its signature stays as written.

    It makes no array and counts no references: else each call would count each array that it is given, up and
    down again, which costs more than most of what a small kernel does. The caller holds the arrays meanwhile.
    """
    return _compiled(function, counting=False)


def allocating(function: Kernel) -> Kernel:
    """A ``kernel`` that makes arrays."""
    return _compiled(function, counting=True)


def unrolled(function: Kernel) -> Kernel:
    """A ``kernel`` compiled anew for each constant it is called with: for the smallest, whose loop that ends."""
    return _compiled(function, counting=False, constants=True)


def _compiled(function: Kernel, counting: bool, constants: bool = False) -> Kernel:
    private: Any = {"_nrt": counting}  # of numba: no run time that counts references
    compiled: Any = numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy", **private)(function)
    if not config.DISABLE_JIT:  # type: ignore[attr-defined]
        kept = compiled._cache._cache_file
        kept._source_stamp = _STAMP
        if config.BOUNDSCHECK:  # type: ignore[attr-defined]
            # Numba would take machine code with checks for that without, and the other way round.
            kept._index_path = kept._index_path.removesuffix(".nbi") + CHECKED + ".nbi"
            kept._data_name_pattern = kept._data_name_pattern.removesuffix(".nbc") + CHECKED + ".nbc"
        if not constants:
            compiled.get_call_template = partial(_called, compiled.get_call_template)
    KERNELS.append(compiled)
    return cast(Kernel, compiled)


def _called(template: Callable[..., Any], args: Any, kws: Any) -> Any:
    """The overload for a kernel's call. Numba's own is another for each constant: they take half as long again."""
    return template(tuple(map(types.unliteral, args)), {name: types.unliteral(one) for name, one in kws.items()})


LINE_BYTES: Final = 64


def _no_hint(record: Any, size: int) -> None:
    """Plain Python has no hint to give."""


def _hint(_typing: Any, record: Any, size: Any) -> Any:
    """The machine code of ``fetch_ahead``: one hint for every cache line, which changes nothing but the time."""

    def code(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        word = ir.IntType(32)
        start = builder.bitcast(values[0], ir.IntType(8).as_pointer())
        shape = ir.FunctionType(ir.VoidType(), [start.type, word, word, word])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [start.type], shape)
        to_write, keep, data = word(1), word(3), word(1)
        for at in range(0, size.literal_value, LINE_BYTES):
            builder.call(prefetch, [builder.gep(start, [word(at)]), to_write, keep, data])

    return types.void(record, size), code


fetch_ahead: Final[Callable[[Any, int], None]] = (
    _no_hint  # type: ignore[assignment]
    if config.DISABLE_JIT  # type: ignore[attr-defined]
    else intrinsic(prefer_literal=True)(_hint)
)
"""Ask memory for the first bytes (a constant number) of a record that will be needed soon."""
