"""The subjects of bench_train.c in PyTorch, for comparison: same models, data sizes, batches, dropout, Adam.

    torch_train.py [mlp|gru|lstm|score [BATCH [REPETITIONS]]]     one thread; one JSON object on standard output

Rows are indexed out of one tensor (no DataLoader), which is PyTorch's faster way of feeding. Scoring is by
torch.jit.freeze.
"""
import json
import sys
import time

import torch

ROWS, INPUTS, REPETITION_S = 16384, 64, 0.25
SEQUENCES, STEPS, STEP_INPUTS = 2048, 20, 32


def blas():
    with open("/proc/self/maps", encoding="utf-8") as maps:
        text = maps.read()
    return "openblas" if "openblas" in text else "mkl" if "mkl" in text else "other"


class Last(torch.nn.Module):
    """A recurrent layer, its last state, one output."""

    def __init__(self, kind):
        super().__init__()
        self.net = kind(STEP_INPUTS, 64, batch_first=True)
        self.dropout = torch.nn.Dropout(0.5)
        self.out = torch.nn.Linear(64, 1)

    def forward(self, x):
        return self.out(self.dropout(self.net(x)[0][:, -1]))


def mlp():
    return torch.nn.Sequential(
        torch.nn.Linear(INPUTS, 128), torch.nn.ReLU(), torch.nn.Dropout(0.5),
        torch.nn.Linear(128, 64), torch.nn.ReLU(), torch.nn.Dropout(0.5), torch.nn.Linear(64, 1))


def train_pass(model, optimizer, loss_of, x, y, batch):
    order = torch.randperm(len(x))
    total = 0.0
    for i in range(0, len(x), batch):
        rows = order[i:i + batch]
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(model(x[rows]).squeeze(1), y[rows])
        loss.backward()
        optimizer.step()
        if i + batch >= len(x):  # reading it every step would be a cost of ours
            total = loss.item()
    return total


def score_pass(model, x, batch):
    with torch.no_grad():
        for i in range(0, len(x), batch):
            torch.sigmoid(model(x[i:i + batch]))
    return 0.0


def main():
    subject = sys.argv[1] if len(sys.argv) > 1 else "mlp"
    batch = int(sys.argv[2]) if len(sys.argv) > 2 else 32
    repetitions = int(sys.argv[3]) if len(sys.argv) > 3 else 7
    torch.set_num_threads(1)
    torch.manual_seed(1)
    if subject in ("gru", "lstm"):
        x = torch.randn(SEQUENCES, STEPS, STEP_INPUTS)
        model = Last(torch.nn.GRU if subject == "gru" else torch.nn.LSTM)
    else:
        x = torch.randn(ROWS, INPUTS)
        model = mlp()
    weights = torch.tensor([0.4 if j % 3 == 0 else -0.2 for j in range(x[0].numel())])
    y = (x.flatten(1) @ weights + torch.randn(len(x)) > 0).float()
    if subject == "score":
        frozen = torch.jit.freeze(torch.jit.script(model.eval()))
        for _ in range(20):
            score_pass(frozen, x, batch)
        one = lambda: score_pass(frozen, x, batch)
    else:
        optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
        loss_of = torch.nn.BCEWithLogitsLoss()
        one = lambda: train_pass(model, optimizer, loss_of, x, y, batch)
    rates = []
    for _ in range(repetitions):
        begin, done = time.perf_counter(), 0
        while done == 0 or time.perf_counter() - begin < REPETITION_S:
            loss = one()
            done += len(x)
        rates.append(done / (time.perf_counter() - begin))
    rates.sort()
    print(json.dumps({"bench": "torch_train", "subject": subject, "torch": torch.__version__, "blas": blas(),
                      "batch": batch, "samples_per_s": int(rates[len(rates) // 2]), "best": int(rates[-1]), "loss": loss}))


if __name__ == "__main__":
    main()
