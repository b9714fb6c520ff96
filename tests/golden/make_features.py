#!/usr/bin/env python3
"""Writes features_golden.h: reference values of features, computed without any of our code.

    tests/golden/make_features.py | clang-format --assume-filename=x.h > tests/golden/features_golden.h

Plain Python: logarithms of the math library, quantiles by listing every row, encodings by their definition, hashes of
hashlib, dates of datetime.
"""
import datetime
import hashlib
import math
import random
import struct

CELLS = 512


def slog(x):
    return math.copysign(math.log1p(abs(x)), x)


def sexp(y):
    return math.copysign(math.expm1(abs(y)), y)


def cell(x, lo, hi, log):
    m = slog if log else float
    return min(CELLS - 1, int((m(x) - m(lo)) / (m(hi) - m(lo)) * CELLS))


def edge(c, lo, hi, log):
    if c in (0, CELLS):
        return lo if c == 0 else hi
    return sexp(slog(lo) + (slog(hi) - slog(lo)) * c / CELLS) if log else lo + (hi - lo) * c / CELLS


def edges_of(cells, bins):
    """cells: one entry a row."""
    rows = sorted(cells)
    found = {rows[len(rows) * t // bins] for t in range(bins)} | {rows[-1] + 1}
    heavy = {c for c in rows if 5 * rows.count(c) > len(rows)}
    others = [c for c in rows if c not in heavy]
    if heavy and others:
        found |= {others[len(others) * t // bins] for t in range(bins)}
    return sorted(found)


def ple(x, edges):
    out = []
    for k in range(len(edges) - 1):
        v = (x - edges[k]) / (edges[k + 1] - edges[k])
        first, last = k == 0, k == len(edges) - 2
        out.append(max(-1.0 if first else 0.0, min(2.0 if last else 1.0, v)))
    return out


def doubles(name, values):
    print(f"static const double {name}[{len(values)}] = {{{', '.join(float(v).hex() for v in values)}}};")


def floats(name, values):
    print(f"static const float {name}[{len(values)}] = {{"
          f"{', '.join(struct.unpack('<f', struct.pack('<f', v))[0].hex() + 'f' for v in values)}}};")


def ints(name, values, kind="uint32_t"):
    print(f"static const {kind} {name}[{len(values)}] = {{{', '.join(str(v) for v in values)}}};")


def golden_log(rng):
    xs = [0.0, 1e-12, -1e-6, 0.25, -0.4999, 0.5, 1.0, -1.0, 2.5, 41.0, -8019.0, 102127.0, 1e9, -1e30]
    xs += [math.exp(rng.uniform(-12, 60)) * rng.choice((-1, 1)) for _ in range(14)]
    doubles("golden_log_x", xs)
    doubles("golden_log_y", [slog(x) for x in xs])


def column(tag, values, lo, hi, log, bins, probes):
    cells = [cell(x, lo, hi, log) for x in values]
    edges = edges_of(cells, bins)
    at = [edge(c, lo, hi, log) for c in edges]
    floats(f"golden_{tag}_values", values)
    ints(f"golden_{tag}_cells", edges)
    doubles(f"golden_{tag}_edges", at)
    floats(f"golden_{tag}_probes", probes)
    rows = []
    for p in probes:
        clipped = min(max(p, lo), hi)
        rows += ple(clipped, at)
    doubles(f"golden_{tag}_inputs", rows)


def f32(v):
    return struct.unpack("<f", struct.pack("<f", v))[0]


def golden_columns(rng):
    spread = [f32(rng.gauss(1300, 900)) for _ in range(96)]
    column("spread", spread, -5000.0, 10000.0, True, 16, [f32(v) for v in (-9e9, -812.5, 0, 700, 1303.25, 4000, 9e9)])
    heavy = [0.0] * 60 + [-1.0] * 24 + [f32(math.floor(math.exp(rng.uniform(0, 6)))) for _ in range(24)]
    column("heavy", heavy, -50.0, 900.0, True, 8, [f32(v) for v in (-50, -1, 0, 1, 2, 3.5, 50, 150, 900)])
    few = [float(rng.randint(1, 4)) for _ in range(40)]
    column("few", few, 0.0, 5.0, False, 16, [f32(v) for v in (0, 1, 2, 2.5, 3, 4, 5)])


def golden_hash():
    salt, name = "pepper 2026", "page"
    values = ["home", "", "caf\u00e9", "x" * 300]
    out = []
    for v in values:
        h = hashlib.sha256(b"entente/value/v1\0")
        for t in (salt, name):
            h.update(struct.pack(">I", len(t.encode())) + t.encode())
        h.update(v.encode())
        out.append(int.from_bytes(h.digest()[:4], "big") >> (32 - 12))
    ints("golden_hash_buckets", out)


def golden_dates(rng):
    rows = []
    for _ in range(16):
        d = datetime.datetime(1, 1, 1) + datetime.timedelta(seconds=rng.randrange(0, 315537897599))
        seconds = int((d - datetime.datetime(1970, 1, 1)).total_seconds())
        rows.append((d.strftime("%Y").zfill(4) + d.strftime("-%m-%d %H:%M:%S"), seconds, d.month, d.weekday(), d.hour))
    print("static const struct { const char *text; int64_t seconds; uint32_t month; uint32_t weekday; uint32_t hour; } "
          f"golden_dates[{len(rows)}] = {{")
    for r in rows:
        print(f'{{"{r[0]}", INT64_C({r[1]}), {r[2]}, {r[3]}, {r[4]}}},')
    print("};")


def main():
    rng = random.Random(20260501)
    print("/* Made by make_features.py; do not edit. */")
    print("#ifndef ENT_TESTS_GOLDEN_FEATURES_GOLDEN_H\n#define ENT_TESTS_GOLDEN_FEATURES_GOLDEN_H\n")
    print("#include <stdint.h>\n")
    golden_log(rng)
    golden_columns(rng)
    golden_hash()
    golden_dates(rng)
    print("\n#endif")


main()
