"""What kernels take: records of the dtypes of ``schemas``, as numba and numpy both hand them out.

A ``Row`` is one element of an array of ``schemas.state.CUSTOMER``; writing to its fields writes to the array.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Row = Any
"""One customer (``schemas.state.CUSTOMER``), by reference."""

Event = Any
"""One event (``schemas.block.EVENT``)."""

Rules = Any
"""The policy record (``schemas.policy.RECORD``)."""

Scores = Any
"""One ``schemas.state.SCORES``."""

Memo = Any
"""One ``schemas.state.MEMO``, kept beside the row."""

Records = NDArray[np.void]
"""An array of one of these."""
