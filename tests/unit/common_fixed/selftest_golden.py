#!/usr/bin/env python3
"""The self-test of common/fixed, computed a second time with exact rational arithmetic: prints EXPECTED."""
import struct
from fractions import Fraction

DIM, SCALE = 64, 20
WEIGHTS = [1, 1024, 3, 65536, 77]


def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def round_half_even(x):
    return round(x)  # of a Fraction: half to even, exactly


def fill(state):
    x = []
    for _ in range(DIM):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        signed = state - (1 << 32) if state >> 31 else state
        v = Fraction(signed >> 8, 1 << 23)  # at most 24 bits: exact in float32
        x.append(v / (1 << (state & 15)))
    x[:5] = [Fraction(3, 2) / 2**20, -Fraction(5, 4) / 2**19, Fraction(8), Fraction(-8), Fraction(0)]
    return x, state


state, vectors = 20261124, []
for _ in WEIGHTS:
    x, state = fill(state)
    vectors.append([round_half_even(v * 2**SCALE) for v in x])
sums = [sum(w * v[i] for w, v in zip(WEIGHTS, vectors)) + WEIGHTS[0] * vectors[0][i] for i in range(DIM)]
c = 1.0 / (66642.0 * 2.0**SCALE)
model = [f32(float(x[i]) + float(sums[i]) * c) for i in range(DIM)]
data = struct.pack("<%di" % DIM, *vectors[0]) + struct.pack("<%dq" % DIM, *sums) + struct.pack("<%df" % DIM, *model)
h = 0xCBF29CE484222325
for b in data:
    h = ((h ^ b) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
print("0x%016x" % h)
