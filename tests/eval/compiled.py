"""Compiled functions of the simulator, kept in numba's cache until any text they may contain changes.

They are none of the product's kernels: no oracle, no ``KERNELS``. As in ``kernels/_jit.py``, the cache is stamped
with every file whose functions or constants may be inside the machine code, not only with the function's own.
"""

from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar, cast

import numba
from numba.core import config

Function = TypeVar("Function", bound=Callable[..., object])
HERE = Path(__file__).resolve().parent


def _stamp() -> str:
    import kernels
    import schemas

    digest = blake2b(digest_size=16)
    folders = [HERE, *(Path(str(package.__file__)).parent for package in (kernels, schemas))]
    for path in sorted(path for folder in folders for path in folder.glob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


STAMP = _stamp()


def compiled(function: Function) -> Function:
    """Compile at the first call, strictly, as kernels are."""
    made = numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")(function)
    if not config.DISABLE_JIT:  # type: ignore[attr-defined]
        made._cache._cache_file._source_stamp = STAMP  # type: ignore[attr-defined]
    return cast("Function", made)
