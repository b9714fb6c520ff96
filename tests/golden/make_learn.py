#!/usr/bin/env python3
"""Writes learn_golden.h: reference numbers of the learning rooms, computed without any of our code.

    tests/golden/make_learn.py | clang-format --assume-filename=x.h > tests/golden/learn_golden.h

Plain Python: optimizer steps rounded to float32 after every operation (exact bits), a small MLP with loss and gradient in
double by the formulas of a textbook (not vectorised, not in our order), AUC by its definition over all pairs.
"""
import math
import random
import struct


def f32(v):
    return struct.unpack("<f", struct.pack("<f", v))[0]


def floats(name, values, kind="float"):
    suffix = "f" if kind == "float" else ""
    print(f"static const {kind} {name}[{len(values)}] = {{")
    for i in range(0, len(values), 4):
        print("    " + ", ".join(f"{float(v).hex()}{suffix}" for v in values[i:i + 4]) + ",")
    print("};")


def golden_sgd(rng):
    n, steps, rate, momentum = 11, 4, f32(0.1), f32(0.9)
    params = [f32(rng.uniform(-1, 1)) for _ in range(n)]
    gradients = [[f32(rng.uniform(-1, 1)) for _ in range(n)] for _ in range(steps)]
    print(f"#define GOLDEN_SGD_N {n}\n#define GOLDEN_SGD_STEPS {steps}")
    floats("golden_sgd_start", params)
    floats("golden_sgd_gradients", [g for row in gradients for g in row])
    plain, with_momentum, velocity = list(params), list(params), [0.0] * n
    for g in gradients:
        for i in range(n):
            plain[i] = f32(plain[i] - f32(rate * g[i]))
            velocity[i] = f32(f32(momentum * velocity[i]) + g[i])
            with_momentum[i] = f32(with_momentum[i] - f32(rate * velocity[i]))
    floats("golden_sgd_plain", plain)
    floats("golden_sgd_momentum", with_momentum)


def golden_server(rng):
    """Rounds of server momentum and FedAdam (Reddi et al. 2021, algorithm 2), in double but for state and parameters, which
    are rounded to float32 once a round."""
    n, rounds, unit = 7, 5, 2.0 ** -20
    start = [f32(rng.uniform(-1, 1)) for _ in range(n)]
    sums = [[rng.randrange(-3000000, 3000000) for _ in range(n)] for _ in range(rounds)]
    weights = [rng.randrange(3, 40) for _ in range(rounds)]
    print(f"#define GOLDEN_SERVER_N {n}\n#define GOLDEN_SERVER_ROUNDS {rounds}")
    floats("golden_server_start", start)
    print(f"static const int64_t golden_server_sums[{n * rounds}] = {{{', '.join(str(v) for r in sums for v in r)}}};")
    print(f"static const uint64_t golden_server_weights[{rounds}] = {{{', '.join(str(w) for w in weights)}}};")
    momentum, adam = list(start), list(start)
    m1, m2, v2 = [0.0] * n, [0.0] * n, [f32(1e-3 * 1e-3)] * n
    for r, w in zip(sums, weights):
        c = 1.0 / (w / unit)
        for i in range(n):
            d = r[i] * c
            m = 0.9 * m1[i] + d
            m1[i] = f32(m)
            momentum[i] = f32(momentum[i] + 0.5 * m)
            m = 0.9 * m2[i] + (1.0 - 0.9) * d
            v = 0.99 * v2[i] + (1.0 - 0.99) * (d * d)
            m2[i], v2[i] = f32(m), f32(v)
            adam[i] = f32(adam[i] + 0.01 * m / (math.sqrt(v) + 1e-3))
    floats("golden_server_momentum", momentum)
    floats("golden_server_fedadam", adam)


def mlp_loss(sizes, params, xs, ys):
    """Mean binary cross-entropy of a ReLU network in double, with a loop a neuron."""
    total = 0.0
    for x, y in zip(xs, ys):
        at, h = 0, x
        for layer in range(len(sizes) - 1):
            n_in, n_out = sizes[layer], sizes[layer + 1]
            z = [params[at + n_in * n_out + o] + sum(h[i] * params[at + i * n_out + o] for i in range(n_in))
                 for o in range(n_out)]
            at += n_in * n_out + n_out
            h = z if layer == len(sizes) - 2 else [max(v, 0.0) for v in z]
        p = 1.0 / (1.0 + math.exp(-h[0]))
        total -= math.log(p) if y else math.log(1.0 - p)
    return total / len(xs)


def golden_mlp(rng):
    sizes, rows = [3, 5, 4, 1], 6
    n = sum(a * b + b for a, b in zip(sizes, sizes[1:]))
    params = [f32(rng.uniform(-1, 1)) for _ in range(n)]
    xs = [[f32(rng.uniform(-2, 2)) for _ in range(sizes[0])] for _ in range(rows)]
    ys = [i % 2 for i in range(rows)]
    gradient, eps = [], 1e-6
    for i in range(n):  # central differences in double: error about 1e-10, far below float32
        up, down = list(params), list(params)
        up[i] += eps
        down[i] -= eps
        gradient.append((mlp_loss(sizes, up, xs, ys) - mlp_loss(sizes, down, xs, ys)) / (2 * eps))
    print(f"#define GOLDEN_MLP_N {n}\n#define GOLDEN_MLP_ROWS {rows}")
    floats("golden_mlp_params", params)
    floats("golden_mlp_x", [v for x in xs for v in x])
    floats("golden_mlp_y", ys)
    floats("golden_mlp_gradient", gradient, "double")
    print(f"static const double golden_mlp_loss = {mlp_loss(sizes, params, xs, ys).hex()};")


def golden_auc(rng):
    n = 40
    ys = [1 if rng.random() < 0.3 else 0 for _ in range(n)]
    probs = [f32(min(max(round(rng.gauss(0.4 + 0.2 * y, 0.2), 1), 0.0625), 0.9375)) for y in ys]  # with ties
    pairs = [(p, q) for p, a in zip(probs, ys) if a for q, b in zip(probs, ys) if not b]
    auc = sum(1.0 if p > q else 0.5 if p == q else 0.0 for p, q in pairs) / len(pairs)
    loss = -sum(math.log(p) if y else math.log(1.0 - p) for p, y in zip(probs, ys)) / n
    print(f"#define GOLDEN_AUC_N {n}")
    floats("golden_auc_prob", probs)
    floats("golden_auc_y", ys)
    print(f"static const double golden_auc = {auc.hex()};")
    print(f"static const double golden_log_loss = {loss.hex()};")


def main():
    rng = random.Random(20261124)
    print("/* Written by make_learn.py. */\n#ifndef ENT_TESTS_GOLDEN_LEARN_GOLDEN_H\n#define ENT_TESTS_GOLDEN_LEARN_GOLDEN_H\n\n#include <stdint.h>\n")
    golden_sgd(rng)
    print()
    golden_mlp(rng)
    print()
    golden_auc(rng)
    print()
    golden_server(rng)
    print("\n#endif")


if __name__ == "__main__":
    main()
