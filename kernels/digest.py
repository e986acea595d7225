"""Two public hashes over bytes in place: XXH64 for ids and dedupe, murmur2 for Kafka's partitions.

Every number is unsigned 64 bit when compiled and a Python integer when not, so each sum and
product is masked: free in machine code, needed in Python. ``int(np.uint64(...))`` is what makes
numba hold a value as unsigned; mixed with a signed one it would quietly become a float.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from kernels._jit import kernel
from kernels.letters import little_endian

Bytes = NDArray[np.uint8]

MASK64: Final = 0xFFFF_FFFF_FFFF_FFFF
PRIME_1: Final = 0x9E37_79B1_85EB_CA87
PRIME_2: Final = 0xC2B2_AE3D_27D4_EB4F
PRIME_3: Final = 0x1656_67B1_9E37_79F9
PRIME_4: Final = 0x85EB_CA77_C2B2_AE63
PRIME_5: Final = 0x27D4_EB2F_1656_67C5

MASK32: Final = 0xFFFF_FFFF
MASK31: Final = 0x7FFF_FFFF
MURMUR_SEED: Final = 0x9747_B28C
MURMUR_MULTIPLIER: Final = 0x5BD1_E995


@kernel
def _rotated(word: int, left: int) -> int:
    """Turn the 64 bits of ``word`` left, 0 < left < 64."""
    return ((word << int(np.uint64(left))) & MASK64) | (word >> int(np.uint64(64 - left)))


@kernel
def _stirred(lane: int, word: int) -> int:
    """Stir eight bytes into a lane: one XXH64 round."""
    mixed = _rotated((lane + word * int(np.uint64(PRIME_2))) & MASK64, 31)
    return (mixed * int(np.uint64(PRIME_1))) & MASK64


@kernel
def _merged(total: int, lane: int) -> int:
    """Merge one finished lane into the total."""
    mixed = total ^ _stirred(int(np.uint64(0)), lane)
    return (mixed * int(np.uint64(PRIME_1)) + int(np.uint64(PRIME_4))) & MASK64


@kernel
def _four_lanes(buffer: Bytes, start: int, stripes: int, seed: int) -> int:
    """Total ``stripes`` stripes of 32 bytes, each fed to four lanes of eight."""
    one = int(np.uint64(PRIME_1))
    two = int(np.uint64(PRIME_2))
    lane_1 = (seed + one + two) & MASK64
    lane_2 = (seed + two) & MASK64
    lane_3 = seed
    lane_4 = (seed - one) & MASK64
    for stripe in range(stripes):
        at = start + 32 * stripe
        lane_1 = _stirred(lane_1, little_endian(buffer, at, 8))
        lane_2 = _stirred(lane_2, little_endian(buffer, at + 8, 8))
        lane_3 = _stirred(lane_3, little_endian(buffer, at + 16, 8))
        lane_4 = _stirred(lane_4, little_endian(buffer, at + 24, 8))
    total = _rotated(lane_1, 1) + _rotated(lane_2, 7) + _rotated(lane_3, 12) + _rotated(lane_4, 18)
    total = _merged(total & MASK64, lane_1)
    total = _merged(total, lane_2)
    total = _merged(total, lane_3)
    return _merged(total, lane_4)


@kernel
def xxh64(buffer: Bytes, start: int, length: int, seed: int) -> int:
    """Give the XXH64 hash of ``length`` bytes from ``start``: 0 <= hash < 2**64.

    The public algorithm with its standard seed (0 unless both sides agree on another); fast and
    well spread, but anyone can build two inputs with the same hash, so it proves nothing. Pass
    ``seed`` as uint64; the answer is one too.
    """
    assert start >= 0
    assert length >= 0
    assert start + length <= buffer.size
    base = int(np.uint64(seed))
    one = int(np.uint64(PRIME_1))
    two = int(np.uint64(PRIME_2))
    three = int(np.uint64(PRIME_3))
    four = int(np.uint64(PRIME_4))
    five = int(np.uint64(PRIME_5))
    total = _four_lanes(buffer, start, length // 32, base) if length >= 32 else (base + five) & MASK64
    total = (total + int(np.uint64(length))) & MASK64
    at = start + length - length % 32
    end = start + length
    while at + 8 <= end:
        total = total ^ _stirred(int(np.uint64(0)), little_endian(buffer, at, 8))
        total = (_rotated(total, 27) * one + four) & MASK64
        at += 8
    if at + 4 <= end:
        total = total ^ ((little_endian(buffer, at, 4) * one) & MASK64)
        total = (_rotated(total, 23) * two + three) & MASK64
        at += 4
    while at < end:
        total = total ^ ((little_endian(buffer, at, 1) * five) & MASK64)
        total = (_rotated(total, 11) * one) & MASK64
        at += 1
    total = ((total ^ (total >> int(np.uint64(33)))) * two) & MASK64
    total = ((total ^ (total >> int(np.uint64(29)))) * three) & MASK64
    return total ^ (total >> int(np.uint64(32)))


@kernel
def paired(first: int, second: int) -> int:
    """One digest of two, in this order; 0 for two that are both 0, "none"."""
    one, other = int(np.uint64(first)), int(np.uint64(second))
    zero = int(np.uint64(0))
    return zero if one == zero and other == zero else _merged(_merged(zero, one), other)


@kernel
def murmur2(buffer: Bytes, start: int, length: int) -> int:
    """Give Kafka's hash of a key, sign bit cleared: ``murmur2(...) % partitions`` is the default partition.

    32-bit arithmetic held in signed 64 bits: the multiplier has 31 bits, so no product overflows.
    """
    assert start >= 0
    assert length >= 0
    assert start + length <= buffer.size
    total = (MURMUR_SEED ^ length) & MASK32
    whole = length - length % 4
    for at in range(start, start + whole, 4):
        word = int(np.int64(little_endian(buffer, at, 4)))
        word = (word * MURMUR_MULTIPLIER) & MASK32
        word = ((word ^ (word >> 24)) * MURMUR_MULTIPLIER) & MASK32
        total = ((total * MURMUR_MULTIPLIER) & MASK32) ^ word
    if length > whole:
        for k in range(length - whole):
            total ^= int(np.int64(buffer[start + whole + k])) << (8 * k)
        total = (total * MURMUR_MULTIPLIER) & MASK32
    total = ((total ^ (total >> 13)) * MURMUR_MULTIPLIER) & MASK32
    return (total ^ (total >> 15)) & MASK31
