"""The elementary functions: near the truth everywhere, sane at the edges, the same bits everywhere."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import elementary
from tests.oracle import ROOT, answers, bits, plain_answers
from tests.oracle import elementary as truth

INF = math.inf
NEAR_ONE = 2.0**-53

# Largest relative error granted to each function, as its docstring promises; one last place is 2.2e-16.
GRANTED = {"exp": 2e-16, "expm1": 3e-16, "log": 2e-16, "log1p": 2e-16, "erf": 6e-16, "erfc": 1e-15}

TABLE = {
    "exp": [0.0, 1.0, -1.0, 1e-300, -1e-20, 0.34657, 0.34658, -0.34657, 88.7, -708.3, 709.782712893384],
    "expm1": [1.0, -1.0, 1e-300, -1e-20, 1e-9, 0.34657, 0.34658, -0.7, 36.0, -37.5, 44.0, 709.7],
    "log": [5e-324, 1e-310, 2.3e-308, 0.5, 0.7071067811865475, 0.7071067811865476, 1 - NEAR_ONE,
            1 + 2 * NEAR_ONE, 1.4142135623730951, 2.0, 10.0, 1e300, 1.7976931348623157e308],
    "log1p": [1e-300, -1e-20, 1e-9, -0.2928, -0.29281, 0.4142, 0.41421, -0.5, -1 + NEAR_ONE, 1.0, 3.0,
              2.0**53, 1e300],
    "erf": [1e-300, 1e-9, 0.4999999, 0.5, -0.5, 1.0, -2.0, 3.0, 5.9, 6.0, -27.0],
    "erfc": [1e-300, 0.4999999, 0.5, -0.5, 1.0, -2.0, 3.0, 5.9, 10.0, 20.0, 26.0],
}  # fmt: skip

EDGES = [
    ("exp", 709.7827128933841, INF),
    ("exp", 1e308, INF),
    ("exp", INF, INF),
    ("exp", -745.2, 0.0),
    ("exp", -800.0, 0.0),
    ("exp", -INF, 0.0),
    ("expm1", 0.0, 0.0),
    ("expm1", 710.0, INF),
    ("expm1", -800.0, -1.0),
    ("expm1", -INF, -1.0),
    ("log", 0.0, -INF),
    ("log", 1.0, 0.0),
    ("log", INF, INF),
    ("log", -1.0, math.nan),
    ("log1p", 0.0, 0.0),
    ("log1p", -1.0, -INF),
    ("log1p", -1.5, math.nan),
    ("log1p", INF, INF),
    ("erf", 0.0, 0.0),
    ("erf", INF, 1.0),
    ("erf", -INF, -1.0),
    ("erfc", 0.0, 1.0),
    ("erfc", 28.0, 0.0),
    ("erfc", INF, 0.0),
    ("erfc", -INF, 2.0),
    ("phi", 0.0, 0.5),
    ("phi", 9.0, 1.0),
    ("phi", -INF, 0.0),
    ("round_half_even", 0.5, 0),
    ("round_half_even", 1.5, 2),
    ("round_half_even", -0.5, 0),
    ("round_half_even", -1.5, -2),
    ("round_half_even", 0.49999999999999994, 0),
    ("round_half_even", 4503599627370497.5, 4503599627370498),
    ("round_half_even", 1e300, 2**62),
    ("round_half_even", -INF, -(2**62)),
]
NAN_IN = ["exp", "expm1", "log", "log1p", "erf", "erfc", "phi"]


def relative_error(name: str, x: float) -> float:
    exact = getattr(truth, name)(x)
    said = getattr(elementary, name)(x)
    return float(abs((truth.REAL.mpf(said) - exact) / exact)) if exact else abs(said)


@pytest.mark.parametrize(("name", "x"), [(name, x) for name, row in TABLE.items() for x in row])
def test_the_table_is_within_two_last_places(name: str, x: float) -> None:
    assert relative_error(name, x) <= GRANTED[name]


@pytest.mark.parametrize(("name", "x", "said"), EDGES)
def test_edge(name: str, x: float, said: float) -> None:
    assert bits(getattr(elementary, name)(x)) == bits(said)


@pytest.mark.parametrize("name", NAN_IN)
def test_nan_stays_nan(name: str) -> None:
    assert math.isnan(getattr(elementary, name)(math.nan))


def test_a_nan_cannot_be_rounded() -> None:
    with pytest.raises(AssertionError):
        elementary.round_half_even(math.nan)


@settings(deadline=None, max_examples=300)
@given(st.floats(-708.0, 709.7))
def test_exponentials_are_near_the_truth(x: float) -> None:
    assert relative_error("exp", x) <= GRANTED["exp"]
    assert relative_error("expm1", x) <= GRANTED["expm1"] or abs(x) < 1e-300


@settings(deadline=None, max_examples=300)
@given(st.floats(-2.0, 2.0))
def test_small_exponents_and_logarithms_are_near_the_truth(x: float) -> None:
    assert relative_error("exp", x) <= GRANTED["exp"]
    if abs(x) > 1e-300:
        assert relative_error("expm1", x) <= GRANTED["expm1"]
        assert relative_error("erf", x) <= GRANTED["erf"]
        if x > -1.0:
            assert relative_error("log1p", x) <= GRANTED["log1p"]


@settings(deadline=None, max_examples=300)
@given(st.floats(0.0, exclude_min=True, allow_infinity=False))
def test_logarithms_are_near_the_truth(x: float) -> None:
    assert relative_error("log", x) <= GRANTED["log"]
    if x > 1e-300:
        assert relative_error("log1p", x) <= GRANTED["log1p"]


@settings(deadline=None, max_examples=300)
@given(st.floats(-26.0, 26.0))
def test_the_error_functions_are_near_the_truth(x: float) -> None:
    assert relative_error("erfc", x) <= GRANTED["erfc"]
    if abs(x) > 1e-300:
        assert relative_error("erf", x) <= GRANTED["erf"]


@settings(deadline=None, max_examples=300)
@given(st.floats(-40.0, 40.0))
def test_phi_is_near_the_truth(z: float) -> None:
    assert abs(truth.REAL.mpf(elementary.phi(z)) - truth.phi(z)) <= 3e-16
    if z >= -8.0:
        assert relative_error("phi", z) <= 1e-14


@settings(deadline=None)
@given(st.floats(-1e18, 1e18))
def test_rounding_agrees_with_exact_fractions(x: float) -> None:
    assert elementary.round_half_even(x) == truth.round_half_even(x)


@settings(deadline=None)
@given(st.integers(-1022, 1023), st.floats(0.5, 2.0, exclude_max=True), st.integers(-1100, 1023))
def test_powers_of_two_are_exact_and_scaling_rounds_once(exponent: int, value: float, shift: int) -> None:
    assert elementary.power_of_two(exponent) == float(truth.power_of_two(exponent))
    assert elementary.scaled(value, shift) == math.ldexp(value, shift)


def test_the_tail_is_the_fit_that_its_comment_tells() -> None:
    fitted = truth.erfc_tail_coefficients(len(elementary.ERFC_TAIL), elementary.ERFC_WAIST, "0.77")
    assert list(elementary.ERFC_TAIL) == pytest.approx(fitted, rel=1e-12)


def test_plain_python_gives_the_same_bits() -> None:
    calls = [(name, (x,)) for name, row in TABLE.items() for x in row]
    calls += [(name, (x,)) for name, x, _ in EDGES] + [(name, (math.nan,)) for name in NAN_IN]
    calls += [(name, (k / 64.0 * 1.0001,)) for name in NAN_IN for k in range(-640, 640, 7)]
    calls += [("scaled", (1.7, -1060)), ("power_of_two", (-1022,))]
    assert bits(answers("elementary", calls)) == bits(plain_answers("elementary", calls))


MACHINE_CODE = """
import json
import numpy as np
from kernels import _jit, alive, digest, lifetime, value
alive.expected_purchases(0.5, 6.0, 0.9, 1.6, True, 2.0, 30.0, 38.0, 39.0)
alive.silence_step(0.1, 0.01, 100, 7, 2, 0.5, 6.0)
lifetime.dert(0.5, 6.0, 0.9, 1.6, True, 2.0, 30.0, 38.0, 260.0, 0.0018)
lifetime.clv_cents(0.1, 4.0, 2000.0, 0.3, 500.0, 200.0, lifetime.annuity(4.0, 65, 0.0018, 0.001))
value.destroyer_posterior(np.array([-100, -200, 50]), 3, 234.0, 2640000.0, 1.0, 4.0)
print(json.dumps([code for k in _jit.KERNELS for code in k.inspect_asm().values()]))
"""


def test_machine_code_fuses_nothing_and_calls_no_mathematical_library(tmp_path: Path) -> None:
    """A fused multiply-add or a library's own exp would give other bits on another machine."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_DISABLE_JIT": "0"}
    command = [sys.executable, "-c", MACHINE_CODE]
    printed = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    codes = json.loads(printed.stdout)
    assert len(codes) > 20
    library = r"\b(_*svml\w*|(numba_)?(exp|expm1|log|log1p|pow|erf|erfc|ldexp|frexp|fma)f?)\b(@PLT)?\s*$"
    for code in codes:
        assert not re.search(r"\bv?fn?m(add|sub)\w*", code)
        assert not re.search(library, code, re.MULTILINE)


STALE = """
import sys
sys.path.insert(0, sys.argv[1])
from kernels import outer
print(outer.outer(1))
"""


def test_a_cached_kernel_notices_when_a_kernel_it_calls_was_edited(tmp_path: Path) -> None:
    room = tmp_path / "kernels"
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "__init__.py").touch()
    room.mkdir()
    (room / "__init__.py").touch()
    (room / "_jit.py").write_bytes((ROOT / "kernels" / "_jit.py").read_bytes())
    head = "from kernels._jit import kernel\n"
    caller = head + "from kernels.inner import inner\n@kernel\ndef outer(x):\n    return inner(x) + 1\n"
    (room / "outer.py").write_text(caller)
    said = []
    for more in (10, 20, 20):
        (room / "inner.py").write_text(head + f"@kernel\ndef inner(x):\n    return x + {more}\n")
        command = [sys.executable, "-c", STALE, str(tmp_path)]
        done = subprocess.run(command, cwd=tmp_path, check=True, stdout=subprocess.PIPE, text=True)
        said.append(int(done.stdout))
    assert said == [12, 22, 22]
