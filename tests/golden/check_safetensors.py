#!/usr/bin/env python3
"""Reads a safetensors file by the rules of the format alone and prints what it holds, for a test to compare.

    check_safetensors.py FILE     prints "OK", a line a tensor (name, shape, sum of its values), a line a metadata key
"""
import json
import struct
import sys


def no_duplicates(pairs):
    keys = [k for k, _ in pairs]
    assert len(keys) == len(set(keys)), "a key stands twice"
    return dict(pairs)


def main():
    with open(sys.argv[1], "rb") as f:
        data = f.read()
    (length,) = struct.unpack("<Q", data[:8])
    text = data[8:8 + length]
    assert length <= len(data) - 8 and length < 100_000_000 and text[:1] == b"{", "header"
    header = json.loads(text.decode("utf-8"), object_pairs_hook=no_duplicates)
    body = data[8 + length:]
    metadata = header.pop("__metadata__", {})
    assert all(isinstance(k, str) and isinstance(v, str) for k, v in metadata.items()), "metadata must be strings"
    at = 0
    lines = []
    for name in sorted(header, key=lambda n: header[n]["data_offsets"][0]):
        entry = header[name]
        assert set(entry) == {"dtype", "shape", "data_offsets"} and entry["dtype"] == "F32", name
        begin, end = entry["data_offsets"]
        count = 1
        for d in entry["shape"]:
            count *= d
        assert begin == at and end - begin == 4 * count, f"{name}: holes or overlaps"
        at = end
        values = struct.unpack(f"<{count}f", body[begin:end])
        lines.append(f"{name} {'x'.join(map(str, entry['shape']))} {sum(values):.6f}")
    assert at == len(body), "bytes behind the tensors"
    assert list(header) == sorted(header), "names are not in file order"
    print("OK")
    print("\n".join(lines))
    for key in sorted(metadata):
        if key != "entente.version":
            json.loads(metadata[key])
        print(key)


if __name__ == "__main__":
    main()
