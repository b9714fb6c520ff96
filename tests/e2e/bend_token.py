#!/usr/bin/env python3
"""A token from standard input, with one thing in it changed and a right check value: bend_token.py WHAT [VALUE]

secret      another secret                      federation  another federation's number
pin         another listener's fingerprint      expiry      VALUE (milliseconds of the wall clock)
address     VALUE (HOST:PORT)                   handle      another handle
check       nothing but a wrong check value
"""
import base64
import hashlib
import struct
import sys

FIELDS = {"federation": (0, 16), "handle": (16, 32), "pin": (32, 64), "secret": (64, 80), "expiry": (80, 88)}


def main():
    what, value = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
    text = sys.stdin.read().strip()
    head, tail = text.rsplit(".", 1)
    body = bytearray(base64.urlsafe_b64decode(tail + "=" * (-len(tail) % 4)))[:88]
    if what == "address":
        head = "entente1." + value
    elif what == "expiry":
        body[80:88] = struct.pack(">Q", int(value))
    elif what != "check":
        begin, end = FIELDS[what]
        body[begin:end] = bytes(b ^ 0x5A for b in body[begin:end])
    check = bytearray(hashlib.sha256(b"entente/token/v1\0" + head.encode() + bytes(body)).digest()[:4])
    if what == "check":
        check[0] ^= 1
    print(head + "." + base64.urlsafe_b64encode(bytes(body + check)).decode().rstrip("="))


main()
