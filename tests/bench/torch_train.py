"""The training loop of bench_train.c in PyTorch, for comparison: same model, data size, batch, optimizer.

    torch_train.py [BATCH [REPETITIONS]]     one thread; one JSON object on standard output

Rows are indexed out of one tensor (no DataLoader), which is PyTorch's faster way of feeding.
"""
import json
import sys
import time

import torch

ROWS, INPUTS, REPETITION_S = 16384, 64, 0.25


def blas():
    with open("/proc/self/maps", encoding="utf-8") as maps:
        text = maps.read()
    return "openblas" if "openblas" in text else "mkl" if "mkl" in text else "other"


def epoch(model, optimizer, loss_of, x, y, batch):
    order = torch.randperm(ROWS)
    total = 0.0
    for i in range(0, ROWS, batch):
        rows = order[i:i + batch]
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(model(x[rows]).squeeze(1), y[rows])
        loss.backward()
        optimizer.step()
        if i + batch >= ROWS:  # reading it every step would be a cost of ours
            total = loss.item()
    return total


def main():
    batch = int(sys.argv[1]) if len(sys.argv) > 1 else 32
    repetitions = int(sys.argv[2]) if len(sys.argv) > 2 else 7
    torch.set_num_threads(1)
    torch.manual_seed(1)
    x = torch.randn(ROWS, INPUTS)
    y = (x @ torch.tensor([0.4 if j % 3 == 0 else -0.2 for j in range(INPUTS)]) + torch.randn(ROWS) > 0).float()
    model = torch.nn.Sequential(
        torch.nn.Linear(INPUTS, 128), torch.nn.ReLU(), torch.nn.Dropout(0.5),
        torch.nn.Linear(128, 64), torch.nn.ReLU(), torch.nn.Dropout(0.5), torch.nn.Linear(64, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    loss_of = torch.nn.BCEWithLogitsLoss()
    rates = []
    for _ in range(repetitions):
        begin, done = time.perf_counter(), 0
        while done == 0 or time.perf_counter() - begin < REPETITION_S:
            loss = epoch(model, optimizer, loss_of, x, y, batch)
            done += ROWS
        rates.append(done / (time.perf_counter() - begin))
    rates.sort()
    print(json.dumps({"bench": "torch_train", "torch": torch.__version__, "blas": blas(), "batch": batch,
                      "samples_per_s": int(rates[len(rates) // 2]), "best": int(rates[-1]), "loss": loss}))


if __name__ == "__main__":
    main()
