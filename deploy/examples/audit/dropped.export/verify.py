"""Checks an export of an Entente audit log: python verify.py EXPORT POLICY [--head NOTE ...]
A second reader: it shares no code with entente-audit and needs nothing but Python 3. It recomputes the tree from the
leaves, compares the tiles, and checks the coordinator's signatures and the members' cosignatures on the newest note
against POLICY. POLICY (witness.policy) and NOTE (head.note) are files FROM A MEMBER, never from the export. What the
leaves say is entente-audit's to check. Exit status: 0 passed, 1 violation found, 2 usage, 3 not all was checked."""
import base64, hashlib, pathlib, sys
class Violation(Exception): pass
class Unchecked(Exception): pass
# ---- Ed25519 (RFC 8032), verification only ----
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
def add(p, q):  # points in extended coordinates
    a, b = (p[1] - p[0]) * (q[1] - q[0]), (p[1] + p[0]) * (q[1] + q[0])
    c, d = 2 * p[3] * q[3] * D, 2 * p[2] * q[2]
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P
def times(n, p):
    total = (0, 1, 1, 0)
    for bit in bin(n)[2:]:
        total = add(add(total, total), p) if bit == "1" else add(total, total)
    return total
def point(raw):
    y, sign = int.from_bytes(raw, "little") & (2**255 - 1), raw[31] >> 7
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if (x * x - square) % P == 0 else x * pow(2, (P - 1) // 4, P) % P
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P
BASE = point(b"\x58" + b"\x66" * 31)
def is_signed(key, message, signature):
    a, s = point(key), int.from_bytes(signature[32:], "little")
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    x, y, z, _ = add(times(s, BASE), times(k, (P - a[0], a[1], 1, P - a[3])))  # s B - k A must be R
    x, y = x * pow(z, P - 2, P) % P, y * pow(z, P - 2, P) % P
    return len(signature) == 64 and s < L and (y | (x & 1) << 255).to_bytes(32, "little") == signature[:32]

# ---- policy and notes (C2SP tlog-policy, signed-note, tlog-checkpoint, tlog-cosignature) ----
def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()
def read_policy(path):
    keys, witnesses, groups, genesis, log, quorum = {}, {}, {}, None, None, None
    for words in (line.split() for line in path.read_text("utf-8").splitlines()):
        if words[:2] == ["#", "entente-genesis"]:
            genesis = bytes.fromhex(words[2])
        elif words[:1] in (["log"], ["witness"]):
            name, key_id, raw = words[-1].split("+", 2)
            raw = base64.b64decode(raw, validate=True)  # type || public key
            if len(raw) != 33 or sha(name.encode(), b"\n", raw)[:4].hex() != key_id:
                raise Unchecked("%s has a key that is none: %s" % (path, words[-1]))
            keys[name, key_id] = raw
            witnesses[words[1]] = name, key_id
            log = (name, key_id) if words[0] == "log" else log
        elif words[:1] == ["group"]:
            need = {"all": len(words) - 3, "any": 1}.get(words[2]) or int(words[2])
            groups[words[1]] = need, {witnesses[w] for w in words[3:]}
        elif words[:1] == ["quorum"]:
            quorum = groups[words[1]] if words[1] != "none" else (0, set())
    if log is None or quorum is None:
        raise Unchecked("%s names no log or no quorum" % path)
    return genesis, log, quorum, keys
def read_note(path, log, keys):  # size, root, which of the keys signed it
    text, _, lines = path.read_bytes().partition(b"\n\n")
    text, signers = text + b"\n", set()
    origin, size, root = text.decode("utf-8").splitlines()[:3]
    for line in lines.decode("utf-8").splitlines():
        name, raw = line[2:].split(" ")
        raw = base64.b64decode(raw, validate=True)
        key, said, signature = (name, raw[:4].hex()), text, raw[4:]
        kind, public = keys.get(key, b"\0")[0], keys.get(key, b"\0")[1:]  # a stranger's counts for nothing
        if kind == 4:  # a cosignature is over its time, too
            said, signature = b"cosignature/v1\ntime %d\n" % int.from_bytes(raw[4:12], "big") + text, raw[12:]
        if kind and not is_signed(public, said, signature):
            raise Violation("%s: a signature says it is of %s, and is not" % (path.name, name))
        signers.add(key)
    if log not in signers or origin != log[0]:
        raise Violation("%s is not signed by the log of the policy" % path.name)
    return int(size), base64.b64decode(root, validate=True), signers

# ---- the log (C2SP tlog-tiles, RFC 6962) ----
def read_tile(export, kind, index, width):
    path = "%03d" % (index % 1000) + ("" if width == 256 else ".p/%d" % width)
    while index >= 1000:
        index //= 1000
        path = "x%03d/%s" % (index % 1000, path)
    return (export / "tile" / kind / path).read_bytes()
def read_leaves(export, size):
    before = None
    for index in range(size):
        if index % 256 == 0:
            bundle, at = read_tile(export, "entries", index // 256, min(256, size - index)), 0
        end = at + 2 + int.from_bytes(bundle[at:at + 2], "big")
        leaf, at = bundle[at + 2:end], end
        place = int.from_bytes(leaf[24:32], "big")
        if leaf[:4] != b"ENT1" or int.from_bytes(leaf[52:56], "big") != len(leaf) - 56 or place != index:
            raise Violation("leaf %d is not a leaf of an audit log, or says it is leaf %d" % (index, place))
        if before is not None and (leaf[32:40] < before[32:40] or leaf[8:24] != before[8:24]):
            raise Violation("leaf %d is older than the one before it, or of another federation" % index)
        if (index % 256 == 255 or index == size - 1) and at != len(bundle):
            raise Violation("bundle %d has bytes that are no leaf" % (index // 256))
        before = leaf
        yield leaf
def check(export, policy, heads):
    genesis, log, (need, members), keys = read_policy(policy)
    size, root, signers = read_note(export / "checkpoint", log, keys)
    only_log, notes = {log: keys[log]}, {}
    for path in [export / "checkpoint", *export.glob("checkpoints/*.note"), *heads]:
        n, expected, _ = read_note(path, log, only_log)
        if n > size:
            raise Violation("%s: signed over %d leaves, but the export ends after %d" % (path.name, n, size))
        notes.setdefault(n, []).append((path.name, expected))
    edge, tiles = [], {}  # edge: (level, hash) of the complete subtrees that make up the tree so far
    for index, leaf in enumerate(read_leaves(export, size)):
        edge.append((0, sha(b"\0", leaf)))
        if index == 0 and genesis not in (None, edge[0][1]):
            raise Violation("the first leaf is not the one that the policy pins")
        while True:  # the newest subtree: it stands in a tile; with its equal neighbour it makes the next level
            level, node = edge[-1]
            at = index >> level
            if level % 8 == 0:
                if at % 256 == 0:
                    tiles[level] = read_tile(export, str(level // 8), at >> 8, min(256, (size >> level) - at))
                if tiles[level][at % 256 * 32:at % 256 * 32 + 32] != node:
                    raise Violation("leaf %d: a tile of level %d has another hash" % (index, level // 8))
            if len(edge) < 2 or edge[-2][0] != level:
                break
            edge[-2:] = [(level + 1, sha(b"\1", edge[-2][1], node))]
        if index + 1 in notes:
            for _, left in edge[-2::-1]:
                node = sha(b"\1", left, node)
            for name, expected in notes[index + 1]:
                if node != expected:
                    raise Violation("%s: the first %d leaves are not those it was signed over" % (name, index + 1))
    print("log         %s, %d leaves, root %s" % (log[0], size, base64.b64encode(root).decode()))
    print("notes       %d sizes, each signed by the log, each the beginning of the next" % len(notes))
    print("cosigned by %d of %d members; the policy wants %d" % (len(signers & members), len(members), need))
    if len(signers & members) < need or export.resolve() in policy.resolve().parents:
        raise Unchecked("too few members have cosigned the newest note, or the policy lies inside the export: take a member's")

args = sys.argv[1:]
if len(args) < 2 or len(args) % 2 or any(a != "--head" for a in args[2::2]):
    sys.exit(print(__doc__) or 2)
try:
    check(pathlib.Path(args[0]), pathlib.Path(args[1]), [pathlib.Path(a) for a in args[3::2]])
    verdict, status = "PASS: what the members cosigned is complete and unchanged", 0
except Violation as reason:
    verdict, status = "FAIL: %s" % reason, 1
except (Unchecked, OSError, ValueError, KeyError, IndexError) as reason:
    verdict, status = "INCOMPLETE: %s" % (reason if type(reason) in (Unchecked, FileNotFoundError) else repr(reason)), 3
print("VERDICT " + verdict)
sys.exit(status)
