#!/bin/sh
# Whether torch_golden.inc still is what PyTorch gives. Skipped by name where PyTorch is missing.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
for p in /usr/bin/python3 python3; do # the distribution's python first: python3-torch belongs to it
    if "$p" -c 'import torch' 2>/dev/null; then
        exec "$p" "$here/make_torch.py" --check
    fi
done
echo "SKIPPED golden values of PyTorch: no module torch (package python3-torch)"
