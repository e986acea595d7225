"""Law: once a worker is warm, no kernel compiles any more, whatever comes: events would wait seconds for it."""

from __future__ import annotations

from tests.alone import printed

GAINED = """
import warnings
warnings.simplefilter("ignore")
from kernels._jit import KERNELS
from streams.warmup import warm

def known():
    return {(one.__module__, one.__name__): set(one.signatures) for one in KERNELS}

if WARM:
    warm()
before = known()

from tests.bench.load import events, load
from tests.driver import PURCHASES, SUPPORT, Driver, feed
from tests.laws.test_restore import lived, whole
from tests.worlds import START_MS, world

for seed in range(6):
    driver = Driver(now_ms=START_MS, partitions=2, source_partitions=2)
    feed(driver, world(seed, 400, customers=9))
    driver.wait(days=45)
    driver.customers = [pipeline.customers() for pipeline in driver.pipelines]
whole(lived(1), 1)
driver = Driver(now_ms=1_800_000_000_000, policy="[churn]\\nbase_hazard_per_day = 0.004\\n")
for bought, key, value in events(load(3_000, 50)):
    driver.send_bytes(PURCHASES if bought else SUPPORT, key, value)
driver.run()
driver.crash()
driver.wait(days=40)
print(sorted(".".join(name) for name, signatures in known().items() if signatures - before[name]))
"""


def test_no_kernel_compiles_after_the_warm_up() -> None:
    """Worlds with every kind of event, a backlog, a restore; each kernel that was met had been met before."""
    assert printed(GAINED.replace("WARM", "True")) == "[]"


def test_a_cold_worker_would_be_noticed() -> None:
    """Negative control: without the warm-up the same run meets them all for the first time."""
    found = printed(GAINED.replace("WARM", "False"))
    assert "kernels.judge.fold_events" in found
    assert "kernels.ways.find_ways" in found
