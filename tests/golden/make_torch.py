#!/usr/bin/env python3
"""Writes torch_golden.inc: losses, predictions and gradients of networks, and steps of optimizers, by PyTorch.

    tests/golden/make_torch.py [FILE]      to FILE, or to standard output
    tests/golden/make_torch.py --check     says whether the committed file still is what this PyTorch gives

It imports nothing of ours: networks are torch.nn modules (packed sequences for the recurrent ones), gradients are autograd's, in
double, from parameters that are exact in float32. Matrices are written as [inputs][outputs], the transpose of PyTorch's.
Values depend on PyTorch's version in their last digits only, so --check compares with a tolerance. Written with PyTorch
1.13 (Debian 12).
"""
import os
import re
import sys

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
OUT = []


def say(text):
    OUT.append(text)


def f32(t):
    return t.detach().to(torch.float32).to(torch.float64)


def array(kind, name, values):
    values = [v for v in values]
    if kind == "float":
        body = [f"{float(v).hex()}f" for v in values]
    elif kind == "double":
        body = [f"{float(v):.12e}" for v in values]
    else:
        body = [str(int(v)) + ("u" if kind == "uint32_t" else "") for v in values]
    say(f"static const {kind} {name}[{max(1, len(values))}] = {{")
    for i in range(0, len(body), 6):
        say("    " + ", ".join(body[i:i + 6]) + ",")
    if not body:
        say("    0")
    say("};")


def leaf(*shape, scale=0.6):
    return f32(torch.randn(*shape) * scale).requires_grad_()


class Linear:
    def __init__(self, n_in, n_out):
        self.w = leaf(n_in, n_out)
        self.b = leaf(n_out)
        self.params = [self.w, self.b]
        self.text = [f"{{.kind = ENT_MODEL_DENSE, .units = {n_out}}}"]

    def __call__(self, x, lengths):
        return x @ self.w + self.b


class Func:
    def __init__(self, kind, f):
        self.params, self.f, self.text = [], f, [f"{{.kind = {kind}}}"]

    def __call__(self, x, lengths):
        return self.f(x)


def relu():
    return Func("ENT_MODEL_RELU", torch.relu)


def tanh():
    return Func("ENT_MODEL_TANH", torch.tanh)


def sigmoid():
    return Func("ENT_MODEL_SIGMOID", torch.sigmoid)


class Recurrent:
    """x: padded [n][T][n_in]."""

    def __init__(self, kind, n_in, units, truncate=0):
        module = {"RNN": nn.RNN, "GRU": nn.GRU, "LSTM": nn.LSTM}[kind]
        self.net = module(n_in, units, batch_first=True)
        self.params = []
        gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[kind]
        for name, shape in (("weight_ih_l0", (n_in, gates * units)), ("weight_hh_l0", (units, gates * units)),
                            ("bias_ih_l0", (gates * units,)), ("bias_hh_l0", (gates * units,))):
            ours = leaf(*shape)
            self.params.append(ours)
            delattr(self.net, name)
            setattr(self.net, name, nn.Parameter(ours.detach().t().contiguous() if ours.dim() == 2 else ours.detach()))
        self.net._flat_weights = [getattr(self.net, n) for n in self.net._flat_weights_names]
        self.truncate = truncate
        self.text = [f"{{.kind = ENT_MODEL_{kind}, .units = {units}}}"]

    def gradients(self):
        return [self.net.weight_ih_l0.grad.t(), self.net.weight_hh_l0.grad.t(), self.net.bias_ih_l0.grad,
                self.net.bias_hh_l0.grad]

    def __call__(self, x, lengths):
        if self.truncate:
            state, outs = None, []
            for t in range(x.shape[1]):  # equal lengths only
                if t % self.truncate == 0 and state is not None:
                    state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
                y, state = self.net(x[:, t:t + 1], state)
                outs.append(y)
            return torch.cat(outs, 1)
        packed = pack_padded_sequence(x, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.net(packed)[0], batch_first=True)[0]


class Pool:
    def __init__(self, kind):
        self.kind, self.params, self.text = kind, [], [f"{{.kind = ENT_MODEL_{kind}}}"]

    def __call__(self, x, lengths):
        rows = [x[i, :n] for i, n in enumerate(lengths)]
        f = {"LAST": lambda r: r[-1], "MAX_POOL": lambda r: r.max(0).values, "MEAN_POOL": lambda r: r.mean(0)}
        return torch.stack([f[self.kind](r) for r in rows])


class Embedding:
    def __init__(self, values, units):
        self.w = leaf(values, units)
        self.params = [self.w]
        self.text = [f"{{.kind = ENT_MODEL_EMBEDDING, .units = {units}, .values = {values}}}"]


class Ensemble:
    """Shared matrices, own scales, biases and heads."""

    def __init__(self, k, sizes):
        self.k, self.sizes = k, sizes
        self.params, self.text = [], []
        for i, (a, b) in enumerate(zip(sizes, sizes[1:])):
            last = i + 2 == len(sizes)
            self.params.append(leaf(k, a, b) if last else leaf(a, b))
            if i == 0 and not last:
                self.params.append(leaf(k, a, scale=1.0))
            if not last:
                self.params.append(leaf(k, b, scale=1.0))
            self.params.append(leaf(k, b))
            self.text += [f"{{.kind = ENT_MODEL_DENSE, .units = {b}}}"] + ([] if last else ["{.kind = ENT_MODEL_RELU}"])

    def __call__(self, x, lengths):
        outs = []
        for j in range(self.k):
            h, p = x, list(self.params)
            for i in range(len(self.sizes) - 1):
                last = i + 2 == len(self.sizes)
                w = p.pop(0)
                if last:
                    h = h @ w[j] + p.pop(0)[j]
                else:
                    if i == 0:
                        h = h * p.pop(0)[j]
                    scale, bias = p.pop(0)[j], p.pop(0)[j]
                    h = torch.relu((h @ w) * scale + bias)
            outs.append(h)
        return torch.stack(outs)  # [k][n][outputs]


def loss_of(kind, out, y, weights):
    """Sum of the losses of [n][outputs]."""
    if kind == "BCE":
        w = torch.ones(2) if weights is None else torch.tensor(weights)
        each = nn.functional.binary_cross_entropy_with_logits(out[:, 0], y[:, 0], reduction="none")
        return (each * w[y[:, 0].long()]).sum()
    if kind == "SOFTMAX":
        w = None if weights is None else torch.tensor(weights)
        return nn.functional.cross_entropy(out, y[:, 0].long(), weight=w, reduction="sum")
    return ((out - y) ** 2).mean(1).sum()


def predict(kind, out):
    return {"BCE": torch.sigmoid, "SOFTMAX": lambda o: torch.softmax(o, -1), "MSE": lambda o: o}[kind](out)


CASES = []


def case(name, layers, n_inputs, kind, n, lengths=None, truncate=0, n_tokens=(), outputs=1, weights=None, ensemble=0):
    total = sum(lengths) if lengths else n
    x = f32(torch.randn(total, n_inputs))
    tokens = torch.stack([torch.randint(v, (total,)) for v in n_tokens], 1) if n_tokens else torch.zeros(total, 0).long()
    per_step = lengths is not None and not any(isinstance(l, Pool) for l in layers)
    n_y = total if per_step else n
    if kind == "BCE":
        y = torch.randint(2, (n_y, 1)).double()
    elif kind == "SOFTMAX":
        y = torch.randint(outputs, (n_y, 1)).double()
    else:
        y = f32(torch.randn(n_y, outputs))
    embeddings = [l for l in layers if isinstance(l, Embedding)]
    rows = torch.cat([x] + [e.w[tokens[:, i]] for i, e in enumerate(embeddings)], 1)
    if lengths:
        at, longest, padded = 0, max(lengths), []
        for length in lengths:
            r = rows[at:at + length]
            padded.append(torch.cat([r, torch.zeros(longest - length, rows.shape[1])]))
            at += length
        rows = torch.stack(padded)
    h = rows
    for layer in layers[len(embeddings):]:
        h = layer(h, lengths)
    if per_step:
        h = torch.cat([h[i, :length] for i, length in enumerate(lengths)])
    members = h if ensemble else h[None]
    loss = sum(loss_of(kind, m, y, weights) for m in members) / len(members) / n_y
    loss.backward()
    params, gradient, text = [], [], []
    for layer in layers:
        params += [v for p in layer.params for v in p.detach().flatten()]
        grads = layer.gradients() if isinstance(layer, Recurrent) else [p.grad for p in layer.params]
        gradient += [v for g in grads for v in g.flatten()]
        text += layer.text
    out = predict(kind, members).mean(0).detach().flatten()
    t = f"torch_{name}"
    say(f"static const struct ent_model_layer {t}_layers[] = {{{', '.join(text)}}};")
    array("float", f"{t}_params", params)
    array("double", f"{t}_gradient", gradient)
    array("float", f"{t}_x", x.flatten())
    array("int32_t", f"{t}_tokens", tokens.flatten())
    array("uint32_t", f"{t}_lengths", lengths or [])
    array("float", f"{t}_y", y.flatten())
    array("float", f"{t}_weights", weights or [])
    array("double", f"{t}_out", out)
    CASES.append(f"""{{.name = "{name}", .layers = {t}_layers, .n_layers = {len(text)}, .n_inputs = {n_inputs},
     .loss = ENT_MODEL_{kind}, .weights = {f'{t}_weights' if weights else 'NULL'}, .n_weights = {len(weights or [])},
     .ensemble = {ensemble}, .truncate = {truncate}, .n = {n}, .n_targets = {n_y},
     .lengths = {f'{t}_lengths' if lengths else 'NULL'}, .x = {t}_x, .tokens = {t}_tokens, .y = {t}_y,
     .params = {t}_params, .n_params = {len(params)}, .gradient = {t}_gradient,
     .out = {t}_out, .n_out = {len(out)}, .mean_loss = {loss.item():.12e}}},""")


def networks():
    ragged = [4, 6, 1, 3, 6]
    case("rnn_last", [Recurrent("RNN", 3, 4), Pool("LAST"), Linear(4, 1)], 3, "BCE", 5, ragged)
    case("gru_last", [Recurrent("GRU", 3, 5), Pool("LAST"), Linear(5, 1)], 3, "BCE", 5, ragged)
    case("lstm_last", [Recurrent("LSTM", 3, 5), Pool("LAST"), Linear(5, 1)], 3, "BCE", 5, ragged)
    case("gru_max", [Recurrent("GRU", 2, 4), Pool("MAX_POOL"), Linear(4, 3)], 2, "SOFTMAX", 5, ragged, outputs=3)
    case("lstm_mean", [Recurrent("LSTM", 2, 3), tanh(), Pool("MEAN_POOL"), Linear(3, 1)], 2, "MSE", 5, ragged)
    case("stacked", [Linear(3, 4), relu(), Recurrent("LSTM", 4, 3), Recurrent("GRU", 3, 4), Recurrent("RNN", 4, 3),
                     Pool("LAST"), Linear(3, 1)], 3, "BCE", 5, ragged)
    case("gru_steps", [Embedding(7, 3), Embedding(4, 2), Recurrent("GRU", 6, 5), Linear(5, 7)], 1, "SOFTMAX", 5, ragged,
         n_tokens=(7, 4), outputs=7)
    case("lstm_steps", [Embedding(7, 3), Recurrent("LSTM", 3, 4), sigmoid(), Linear(4, 1)], 0, "BCE", 4, [3, 2, 5, 1],
         n_tokens=(7,))
    case("gru_cut", [Recurrent("GRU", 2, 4, 2), Pool("LAST"), Linear(4, 1)], 2, "BCE", 3, [5, 5, 5], truncate=2)
    case("lstm_cut", [Recurrent("LSTM", 2, 4, 3), Pool("LAST"), Linear(4, 1)], 2, "BCE", 3, [7, 7, 7], truncate=3)
    case("rnn_cut", [Recurrent("RNN", 2, 4, 2), Linear(4, 1)], 2, "MSE", 2, [5, 5], truncate=2)
    case("tanh_sigmoid", [Linear(3, 5), tanh(), Linear(5, 4), sigmoid(), Linear(4, 2)], 3, "MSE", 6, outputs=2)
    case("softmax_weights", [Linear(3, 6), relu(), Linear(6, 4)], 3, "SOFTMAX", 7, outputs=4, weights=[1.0, 0.5, 4.0, 2.0])
    case("bce_weights", [Linear(3, 6), relu(), Linear(6, 1)], 3, "BCE", 7, weights=[0.5, 3.0])
    case("embedded_rows", [Embedding(5, 3), Linear(5, 4), relu(), Linear(4, 1)], 2, "BCE", 6, n_tokens=(5,))
    case("ensemble", [Ensemble(3, [4, 6, 5, 1])], 4, "BCE", 9, ensemble=3)
    case("ensemble_softmax", [Ensemble(2, [3, 5, 3])], 3, "SOFTMAX", 5, outputs=3, ensemble=2, weights=[1.0, 2.0, 0.5])
    case("ensemble_heads", [Ensemble(3, [4, 1])], 4, "BCE", 5, ensemble=3)
    case("ensemble_behind_gru", [Recurrent("GRU", 2, 4), Pool("LAST"), Ensemble(3, [4, 5, 1])], 2, "BCE", 5, ragged,
         ensemble=3)
    say("static const struct torch_case torch_cases[] = {")
    for text in CASES:
        say(text)
    say("};")


def steps(name, make, gradients, start, clip=0.0):
    p = nn.Parameter(start.clone())
    optimizer = make([p])
    for g in gradients:
        p.grad = g.clone()
        if clip:
            nn.utils.clip_grad_norm_([p], clip)
        optimizer.step()
    array("double", f"torch_{name}", p.detach())


def optimizers():
    n, n_steps = 11, 6
    start = f32(torch.randn(n))
    gradients = [f32(torch.randn(n)) for _ in range(n_steps)]
    say(f"#define TORCH_STEP_N {n}\n#define TORCH_STEPS {n_steps}")
    array("float", "torch_start", start)
    array("float", "torch_gradients", [v for g in gradients for v in g])
    steps("adam", lambda p: torch.optim.Adam(p, lr=0.01), gradients, start)
    steps("adam_betas", lambda p: torch.optim.Adam(p, lr=0.1, betas=(0.5, 0.9), eps=1e-3), gradients, start)
    steps("adamw", lambda p: torch.optim.AdamW(p, lr=0.02, weight_decay=0.1), gradients, start)
    steps("sgd_decay", lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.05), gradients, start)
    steps("sgd_clipped", lambda p: torch.optim.SGD(p, lr=0.1), gradients, start, clip=1.5)
    for name, make in (("cosine", lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=20)),
                       ("stepwise", lambda o: torch.optim.lr_scheduler.StepLR(o, step_size=6, gamma=0.3))):
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.004)
        schedule = make(optimizer)
        rates = []
        for _ in range(20):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        array("double", f"torch_{name}", rates)


def same(a, b):
    """Texts alike but for numbers, which may differ in their last digits."""
    number = re.compile(r"-?0x[0-9a-f.]+p[+-]?\d+|-?\d+\.\d+e[+-]?\d+")
    if number.sub("#", a) != number.sub("#", b):
        return False
    value = lambda t: float.fromhex(t) if "0x" in t else float(t)
    pairs = zip(number.findall(a), number.findall(b))
    return all(abs(value(x) - value(y)) <= 1e-7 * (1.0 + abs(value(x))) for x, y in pairs)


def main():
    torch.manual_seed(20)
    say("/* Written by tests/golden/make_torch.py with PyTorch 1.13. Included behind the types it uses. */")
    say("#ifndef ENT_TESTS_GOLDEN_TORCH_GOLDEN_INC\n#define ENT_TESTS_GOLDEN_TORCH_GOLDEN_INC\n")
    say('#include "tests/golden/torch_case.h"\n')
    networks()
    optimizers()
    say("\n#endif")
    text = "\n".join(OUT) + "\n"
    if len(sys.argv) > 1 and sys.argv[1] == "--check":
        here = os.path.dirname(os.path.abspath(__file__))
        with open(os.path.join(here, "torch_golden.inc"), encoding="utf-8") as f:
            committed = f.read()
        squeeze = lambda t: re.sub(r"\s+", "", t)
        if not same(squeeze(committed), squeeze(text)):
            sys.exit("torch_golden.inc is not what PyTorch " + torch.__version__ + " gives")
        print("torch_golden.inc agrees with PyTorch " + torch.__version__)
    elif len(sys.argv) > 1:
        with open(sys.argv[1], "w", encoding="utf-8") as f:
            f.write(text)
    else:
        sys.stdout.write(text)


main()
