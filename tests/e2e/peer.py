#!/usr/bin/env python3
"""A peer that does not behave; each line of output says what it saw.

peer.py silent  HOST PORT N SECONDS     N connections that send nothing; how long each was kept
peer.py resets  HOST PORT N             N ClientHellos (whole or cut), each followed by a reset
peer.py garbage HOST PORT SECONDS       bytes that are no TLS
peer.py frame   HOST PORT PEM CA SECONDS HEX...   handshake with PEM's certificate, then the bytes, then silence
peer.py slow    HOST PORT PEM CA SECONDS HEX...   the same, a byte every 0.2 seconds
"""
import os
import select
import socket
import ssl
import struct
import sys
import time

LINGER_RESET = struct.pack("ii", 1, 0)


def dial(host, port):
    sock = socket.create_connection((host, int(port)), timeout=10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def context():
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname = False
    ctx.verify_mode = ssl.CERT_NONE
    return ctx


def client_hello():
    out = ssl.MemoryBIO()
    tls = context().wrap_bio(ssl.MemoryBIO(), out)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


def closed_within(socks, seconds):
    """[(milliseconds)] of those that the other end closed."""
    begin = time.monotonic()
    open_socks, times = set(socks), []
    while open_socks and time.monotonic() - begin < seconds:
        for sock in select.select(list(open_socks), [], [], 0.2)[0]:
            try:
                data = sock.recv(65536)
            except OSError:
                data = b""
            if data == b"":
                open_socks.discard(sock)
                times.append(int((time.monotonic() - begin) * 1000))
    return times


def silent(host, port, n, seconds):
    begin = time.monotonic()
    socks, refused = [], 0
    for _ in range(int(n)):
        try:
            socks.append(dial(host, port))
        except OSError:
            refused += 1
    print(f"opened {len(socks)}, refused {refused}", flush=True)
    times = closed_within(socks, float(seconds))
    print(f"closed {len(times)} of {len(socks)}, the last after {max(times, default=-1)} ms", flush=True)


def resets(host, port, n):
    hello, failed = client_hello(), 0
    for i in range(int(n)):
        try:
            sock = dial(host, port)
            sock.sendall(hello if i % 2 == 0 else hello[: 1 + i % len(hello)])
            if i % 4 == 2:  # the answer has begun to come
                select.select([sock], [], [], 0.002)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
            sock.close()
        except OSError:
            failed += 1
    print(f"reset {int(n) - failed}, not connected {failed}", flush=True)


def garbage(host, port, seconds):
    socks = [dial(host, port) for _ in range(3)]
    socks[0].sendall(os.urandom(4096))
    socks[1].sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    socks[2].sendall(b"\x16\x03\x01\xff\xff" + os.urandom(512))
    times = closed_within(socks, float(seconds))
    print(f"closed {len(times)} of 3, the last after {max(times, default=-1)} ms", flush=True)


def tls_peer(host, port, pem, ca, seconds):
    ctx = context()
    ctx.minimum_version = ssl.TLSVersion.TLSv1_3
    ctx.load_verify_locations(ca)
    ctx.load_cert_chain(pem)
    tls = ctx.wrap_socket(dial(host, port))
    tls.settimeout(float(seconds))
    return tls


def frame(host, port, pem, ca, seconds, *hexes, pause=0.0):
    data = bytes.fromhex("".join(hexes))
    try:
        tls = tls_peer(host, port, pem, ca, seconds)
    except OSError as err:
        print(f"no handshake: {err}", flush=True)
        return
    begin, got, how = time.monotonic(), 0, "still open"
    try:
        for part in [data[i : i + 1] for i in range(len(data))] if pause else [data]:
            tls.sendall(part)
            time.sleep(pause)
        while more := tls.recv(65536):
            got += len(more)
        how = "closed"
    except socket.timeout:
        pass
    except OSError as err:
        how = f"closed ({err.__class__.__name__})"
    print(f"{how} after {int((time.monotonic() - begin) * 1000)} ms, {got} bytes came", flush=True)


def slow(*args):
    frame(*args, pause=0.2)


{"silent": silent, "resets": resets, "garbage": garbage, "frame": frame, "slow": slow}[sys.argv[1]](*sys.argv[2:])
