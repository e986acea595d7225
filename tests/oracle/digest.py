"""XXH64 and murmur2 over Python bytes, from their public descriptions."""

from __future__ import annotations

import struct

P1, P2, P3, P4, P5 = (
    11400714785074694791,
    14029467366897019727,
    1609587929392839161,
    9650029242287828579,
    2870177450012600261,
)
MOD = 2**64


def rotate(word, left):
    return (word << left | word >> (64 - left)) % MOD


def turn(lane, word):
    return rotate((lane + word * P2) % MOD, 31) * P1 % MOD


def xxh64(buffer, start, length, seed):
    data = bytes(buffer[start : start + length])
    seed = int(seed)
    whole = len(data) // 32 * 32
    if whole:
        lanes = [(seed + P1 + P2) % MOD, (seed + P2) % MOD, seed, (seed - P1) % MOD]
        for stripe in struct.iter_unpack("<4Q", data[:whole]):
            lanes = [turn(lane, word) for lane, word in zip(lanes, stripe, strict=True)]
        total = sum(rotate(lane, left) for lane, left in zip(lanes, (1, 7, 12, 18), strict=True)) % MOD
        for lane in lanes:
            total = ((total ^ turn(0, lane)) * P1 + P4) % MOD
    else:
        total = (seed + P5) % MOD
    total = (total + len(data)) % MOD
    rest = data[whole:]
    while len(rest) >= 8:
        total = (rotate(total ^ turn(0, int.from_bytes(rest[:8], "little")), 27) * P1 + P4) % MOD
        rest = rest[8:]
    if len(rest) >= 4:
        total = (rotate(total ^ int.from_bytes(rest[:4], "little") * P1 % MOD, 23) * P2 + P3) % MOD
        rest = rest[4:]
    for byte in rest:
        total = rotate(total ^ byte * P5 % MOD, 11) * P1 % MOD
    total = (total ^ total >> 33) * P2 % MOD
    total = (total ^ total >> 29) * P3 % MOD
    return total ^ total >> 32


def murmur2(buffer, start, length):
    data = bytes(buffer[start : start + length])
    multiplier, mod = 0x5BD1E995, 2**32
    total = 0x9747B28C ^ len(data)
    whole = len(data) // 4 * 4
    for (word,) in struct.iter_unpack("<I", data[:whole]):
        mixed = word * multiplier % mod
        mixed = (mixed ^ mixed >> 24) * multiplier % mod
        total = total * multiplier % mod ^ mixed
    if data[whole:]:
        total = (total ^ int.from_bytes(data[whole:], "little")) * multiplier % mod
    total = (total ^ total >> 13) * multiplier % mod
    return (total ^ total >> 15) % 2**31
