"""The two hashes against the values that everyone else computes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import digest
from tests.oracle import answers, bits, plain_answers
from tests.oracle import digest as twin

GOLDEN = 0x9E3779B97F4A7C15
COUNTING = bytes((i * 7 + 3) % 251 for i in range(100))

# text, seed, XXH64 as the reference implementation gives it; the lengths step over every tail
XXH64 = [
    (b"", 0, 0xEF46DB3751D8E999),
    (b"a", 0, 0xD24EC4F1A98C6E5B),
    (b"abc", 0, 0x44BC2CF5AD770999),
    (b"", GOLDEN, 0xC4349FC93C010000),
    (COUNTING[:1], 0, 0x1F25C8D0BC1F4BB6),
    (COUNTING[:1], GOLDEN, 0x79826BCD749D267A),
    (COUNTING[:3], 0, 0x31D2363F52E564C9),
    (COUNTING[:4], GOLDEN, 0x6F0A6C97D68BF353),
    (COUNTING[:7], 0, 0x9A7B149959CE60D8),
    (COUNTING[:8], GOLDEN, 0xA2F1E28437A78A1B),
    (COUNTING[:11], 0, 0x7A52CC9457CF1A1F),
    (COUNTING[:12], GOLDEN, 0xBCC9F0D616FF9A7B),
    (COUNTING[:31], 0, 0xA2AA5F33CC4A6119),
    (COUNTING[:31], GOLDEN, 0x755437271D1D0A84),
    (COUNTING[:32], 0, 0x23C3C17EF790FD97),
    (COUNTING[:32], GOLDEN, 0xBF624B932C090428),
    (COUNTING[:33], 0, 0x50A7CFC7BA588784),
    (COUNTING[:63], GOLDEN, 0x4C502ED63CE90F6D),
    (COUNTING[:64], 0, 0x2CD990A1BEED6894),
    (COUNTING[:95], GOLDEN, 0xA562FD151BDD3862),
    (COUNTING, 0, 0x778E26DF8290F456),
    (COUNTING, GOLDEN, 0xB505942818E1DC5B),
]
# Kafka's own test values, with the sign that Java gives them
MURMUR2 = [
    (b"21", -973932308),
    (b"foobar", -790332482),
    (b"a-little-bit-long-string", -985981536),
    (b"a-little-bit-longer-string", -1486304829),
    (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
    (b"abc", 479470107),
]


def view(text: bytes) -> np.ndarray:
    return np.frombuffer(text, np.uint8)


@pytest.mark.parametrize(("text", "seed", "said"), XXH64)
def test_xxh64_is_the_public_one(text: bytes, seed: int, said: int) -> None:
    assert digest.xxh64(view(text), 0, len(text), np.uint64(seed)) == said
    assert twin.xxh64(view(text), 0, len(text), seed) == said


@pytest.mark.parametrize(("text", "said"), MURMUR2)
def test_murmur2_is_kafkas(text: bytes, said: int) -> None:
    assert digest.murmur2(view(text), 0, len(text)) == said & 0x7FFFFFFF
    assert twin.murmur2(view(text), 0, len(text)) == said & 0x7FFFFFFF


@settings(deadline=None)
@given(st.binary(max_size=20), st.binary(max_size=200), st.binary(max_size=20), st.integers(0, 2**64 - 1))
def test_only_the_named_bytes_count(before: bytes, text: bytes, after: bytes, seed: int) -> None:
    buffer = view(before + text + after)
    said = digest.xxh64(buffer, len(before), len(text), np.uint64(seed))
    assert said == twin.xxh64(view(text), 0, len(text), seed)
    assert 0 <= said < 2**64
    hashed = digest.murmur2(buffer, len(before), len(text))
    assert hashed == twin.murmur2(view(text), 0, len(text))
    assert 0 <= hashed < 2**31


@pytest.mark.parametrize(("start", "length"), [(-1, 2), (0, 4), (2, 2), (1, -1)])
def test_no_hash_reads_beside_its_buffer(start: int, length: int) -> None:
    with pytest.raises(AssertionError):
        digest.xxh64(view(b"abc"), start, length, np.uint64(0))
    with pytest.raises(AssertionError):
        digest.murmur2(view(b"abc"), start, length)


def test_plain_python_gives_the_same_bits() -> None:
    calls = [("xxh64", (view(text), 0, len(text), np.uint64(seed))) for text, seed, _ in XXH64]
    calls += [("murmur2", (view(text), 0, len(text))) for text, _ in MURMUR2]
    calls += [("xxh64", (view(COUNTING), 5, n, np.uint64(n))) for n in range(90)]
    calls += [("murmur2", (view(COUNTING), 5, n)) for n in range(90)]
    assert bits(answers("digest", calls)) == bits(plain_answers("digest", calls))
