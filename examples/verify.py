#!/usr/bin/env python3
"""Checks a bundle, an extract or a receipt of a Countersign ledger, with code that shares nothing with the project's own.

Written from SPEC.md alone; the numbers after a section sign are its sections. It needs Python 3.9 and one package:

    pip install cryptography
    python3 verify.py bundle bundle.jsonl --ledger ID [--trust FILE] [--previous NOTE] [--evidence FILE]... [--json]
    python3 verify.py receipt entry.receipt.json --ledger ID [--bundle bundle.jsonl] [--trust FILE] [--json]
    python3 verify.py vectors tests/vectors

A bundle.jsonl.zst is read where the package `zstandard` is there; else unpack it with `zstd -d` first. Exit status: 0 verified,
1 failed, 2 not checked, 3 partial (any extract).
"""
import argparse
import base64
import datetime
import functools
import hashlib
import json
import os
import re
import sys

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:
    sys.exit("error: the Python package cryptography is not installed\nhint: pip install cryptography")

CODES = ("FORMAT LEDGER CHAIN TREE CHECKPOINT WITNESS CONSISTENT SIGNATURE KEY POLICY STREAM POINTERS SEAL TIME "
         "DISCLOSURE EVIDENCE").split()
MAX_ENTRY, MAX_LINE, MAX_PAYLOAD, MAX_NOTE, MAX_DEPTH, MAX_INT = 65_535, 1 << 20, 45_000, 1 << 18, 16, 2**53 - 1
DAY = 86_400_000
EVENT_TYPE = "application/vnd.countersign.event.v1+json"


class Malformed(Exception):
    """What was read is not of the stated form."""

    line = None


class Newer(Exception):
    """What was read is of a later version of the format."""


class NotChecked(Exception):
    """Nothing can be said: a file that cannot be read, or one given to check against that is not whole."""


def need(condition, what):
    if not condition:
        raise Malformed(what)


def sha(*parts):
    h = hashlib.sha256()
    for part in parts:
        h.update(part)
    return h.digest()


# --- §1: JSON, read strictly -----------------------------------------------------------------------------------------
def _members(pairs):
    members = dict(pairs)
    need(len(members) == len(pairs), "a member name stands twice")
    return members


def _integer(text):
    need(text != "-0" and len(text) < 18 and abs(int(text)) <= MAX_INT, "integer out of range")
    return int(text)


def _refuse(text):
    raise Malformed(f"number {text[:20]}")


_LAST_TWO = "".join(chr(plane << 16 | end) for plane in range(17) for end in (0xFFFE, 0xFFFF))
_NOT_TEXT = re.compile(f"[\0\ud800-\udfff\ufdd0-\ufdef{_LAST_TWO}]")
_DECODER = json.JSONDecoder(object_pairs_hook=_members, parse_int=_integer, parse_float=_refuse, parse_constant=_refuse)


def walk(value, depth=1):
    """Refuses what is nested too deep, and characters that I-JSON does not have."""
    if isinstance(value, str):
        need(not _NOT_TEXT.search(value), "a surrogate, noncharacter or U+0000")
    elif isinstance(value, (dict, list)):
        need(depth <= MAX_DEPTH, f"nesting deeper than {MAX_DEPTH}")
        if isinstance(value, dict):
            for name in value:
                walk(name)
        for inner in value.values() if isinstance(value, dict) else value:
            walk(inner, depth + 1)


def parse(data):
    try:
        text = data.decode("utf-8") if isinstance(data, bytes) else data
        value, end = _DECODER.raw_decode(text)  # takes no white space before the value
    except (ValueError, RecursionError) as e:
        raise Malformed(f"JSON: {e}") from None
    need(end == len(text), "trailing bytes")
    walk(value)
    return value


# --- §1: scalars -----------------------------------------------------------------------------------------------------
ID = r"[a-z0-9][a-z0-9._-]{0,95}"
PARTY, HASH, KIND = r"[a-z0-9][a-z0-9_-]{0,95}", r"[0-9a-f]{64}", r"[a-z_]+\.[a-z_]+(\.v[2-9])?"
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[78][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def matches(pattern, value):
    return isinstance(value, str) and re.fullmatch(pattern, value) is not None


def b64(text, size=None):
    need(matches(r"[A-Za-z0-9+/]*={0,2}", text) and len(text) % 4 == 0, "not base64")
    data = base64.b64decode(text)
    need(base64.b64encode(data).decode() == text, "not canonical base64")
    need(size is None or len(data) == size, f"not {size} bytes")
    return data


def url64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def from_url64(text):
    need(matches(r"[A-Za-z0-9_-]*", text) and len(text) % 4 != 1, "not base64url")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    need(url64(data) == text, "not canonical base64url")
    return data


def millis(text, pattern=r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{3}))?Z"):
    """A time, or with another pattern a date, as milliseconds."""
    match = isinstance(text, str) and text.isascii() and re.fullmatch(pattern, text)
    need(match, "not a time" if "T" in pattern else "not a date")
    year, month, day, hour, minute, second, fraction = ([int(g or 0) for g in match.groups()] + [0] * 4)[:7]
    need(year >= 1900, "a year before 1900")
    try:
        at = datetime.datetime(year, month, day, hour, minute, second, tzinfo=datetime.timezone.utc)
    except ValueError as e:
        raise Malformed(str(e)) from None
    return (at - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) // datetime.timedelta(milliseconds=1) + fraction


# --- §2: Ed25519. OpenSSL checks the cofactorless equation; the encodings and the orders are checked here ---------------
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D, ROOT = -121665 * pow(121666, -1, P) % P, pow(2, (P - 1) // 4, P)
Y8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
SMALL_Y = {0, 1, P - 1, Y8, P - Y8}  # every point of small order has one of these, and no other point has


def sound_point(data):
    """Canonically encoded, and not of small order."""
    y = int.from_bytes(data, "little") & (1 << 255) - 1
    return y < P and y not in SMALL_Y


def _add(a, b):
    """Twisted Edwards addition, extended coordinates (RFC 8032 §5.1.4)."""
    x1, y1, z1, t1 = a
    x2, y2, z2, t2 = b
    e, f = (y1 - x1) * (y2 - x2) % P, (y1 + x1) * (y2 + x2) % P
    g, h = 2 * D * t1 * t2 % P, 2 * z1 * z2 % P
    e, f, g, h = f - e, h - g, h + g, f + e
    return e * f % P, g * h % P, f * g % P, e * h % P


@functools.lru_cache(maxsize=4096)
def acceptable(data):
    """§2: a canonical encoding of a point of the prime-order subgroup."""
    if not sound_point(data):
        return False
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (1 << 255) - 1
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if v * x * x % P != u:
        x = x * ROOT % P
    if v * x * x % P != u:
        return False
    x = P - x if x & 1 != sign else x
    point, total, n = (x, y, 1, x * y % P), (0, 1, 1, 0), L
    while n:
        total = _add(total, point) if n & 1 else total
        point, n = _add(point, point), n >> 1
    return total[0] == 0 and (total[1] - total[2]) % P == 0


def signed(public, signature, message):
    if len(signature) != 64 or not sound_point(public) or not sound_point(signature[:32]):
        return False
    if int.from_bytes(signature[32:], "little") >= L:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


# --- §7: tree, notes, checkpoints, trust files --------------------------------------------------------------------------
class Tree:
    """The roots of the complete subtrees of the leaves so far, largest first."""

    def __init__(self):
        self.size, self.peaks = 0, []

    def push(self, root, height=0):
        """Appends a complete subtree; its size divides that of what is there."""
        n = self.size >> height
        while n & 1:
            root, n = sha(b"\1", self.peaks.pop(), root), n >> 1
        self.peaks.append(root)
        self.size += 1 << height

    def root(self):
        if not self.peaks:
            return sha()
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = sha(b"\1", peak, root)
        return root


def proven_root(leaf, index, size, proof):
    """RFC 9162 §2.1.3.2: the root that an inclusion proof leads to, or None."""
    first, last, root = index, size - 1, leaf
    for node in proof:
        if last == 0:
            return None
        if first & 1 or first == last:
            root = sha(b"\1", node, root)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            root = sha(b"\1", root, node)
        first, last = first >> 1, last >> 1
    return root if last == 0 else None


class VKey:
    def __init__(self, text, kind, others=()):
        """A key of type `kind`; or, to be ignored, one of a type that is not in `others`."""
        parts = text.split("+", 2) if isinstance(text, str) else []
        need(len(parts) == 3 and parts[0] and not re.search(r"\s", parts[0]), "not a vkey")
        self.name, data = parts[0], b64(parts[2])
        need(data and (data[0] == kind or others and data[0] not in others), f"a vkey of another type than {kind}")
        self.known, self.public, self.id = data[0] == kind, data[1:], sha(self.name.encode(), b"\n", data)[:4]
        need(not self.known or len(data) == 33 and self.id.hex() == parts[1], "length or key id of a vkey")


class Note:
    """A signed note that is a checkpoint."""

    def __init__(self, note):
        need(isinstance(note, str) and len(note.encode()) <= MAX_NOTE, "a note is text of at most 256 KiB")
        need(not re.search("[\0-\x09\x0b-\x1f]", note), "a control character in a note")
        text, blank, lines = note.rpartition("\n\n")
        need(blank and lines.endswith("\n"), "not a signed note")
        self.text, self.signatures = (text + "\n").encode(), []
        for line in lines[:-1].split("\n"):
            match = re.fullmatch("\u2014 ([^ +]+) ([^ ]+)", line)
            need(match and not re.search(r"\s", match[1]), "not a signature line")
            data = b64(match[2])
            need(len(data) > 4, "a signature of no bytes")
            self.signatures.append((match[1], data[:4], data[4:]))
        need(len(self.signatures) <= 100, "more than 100 signatures")
        parts = text.split("\n")
        need(len(parts) == 3 and matches(r"[a-z0-9][a-z0-9./_-]{2,127}", parts[0]), "an origin, a size and a root")
        self.origin = parts[0]
        need(matches(r"0|[1-9][0-9]{0,15}", parts[1]) and int(parts[1]) <= MAX_INT, "checkpoint size")
        self.size, self.root = int(parts[1]), b64(parts[2], 32)
        need(self.size or self.root == sha(), "a root of no entries")

    def by(self, key):
        """Whether the log with this key signed."""
        return self.origin == key.name and any(signed(key.public, s, self.text) for s in self.named(key))

    def named(self, key):
        """The signatures that bear a key's name and id, valid or not."""
        return [s for name, id_, s in self.signatures if (name, id_) == (key.name, key.id)]

    def cosigned(self, key):
        """The oldest time at which the witness with this key cosigned; False where a line of it is wrong; or None."""
        lines = [s for name, id_, s in self.signatures if key.known and (name, id_) == (key.name, key.id)]
        times = [int.from_bytes(s[:8], "big") for s in lines]
        right = [len(s) == 72 and s[0] < 128 and signed(key.public, s[8:], b"cosignature/v1\ntime %d\n" % t + self.text)
                 for s, t in zip(lines, times)]
        return min(times, default=None) if all(right) else False


class Trust:
    """A C2SP tlog-policy."""

    def __init__(self, data):
        need(not re.search(b"[\0-\x08\x0b-\x1f\x7f]", data), "a control character")
        need(not data or data.endswith(b"\n"), "the last line does not end")
        self.logs, self.witnesses, self.groups, self.quorum = [], {}, {}, None
        members, publics = set(), {"log": set(), "witness": set()}
        for line in data.decode("utf-8", "surrogateescape").split("\n"):
            words = re.split("[ \t]+", line.strip(" \t"))
            if words == [""] or words[0].startswith("#"):
                continue
            if words[0] in ("log", "witness"):
                rest = words[1:] if words[0] == "log" else words[2:]
                need(1 <= len(rest) <= 2, f"{words[0]} line")
                # signed-note and tlog-cosignature: what signs as a log does, and what cosigns
                key = VKey(rest[0], 1, (1, 4, 6)) if words[0] == "log" else VKey(rest[0], 4, (1, 2, 4, 5))
                need(key.public not in publics[words[0]], "one key twice")
                publics[words[0]].add(key.public)
                if words[0] == "log":
                    self.logs.append(key)
                else:
                    self._new(words[1])
                    self.witnesses[words[1]] = key
            elif words[0] == "group":
                need(len(words) >= 4, "group line")
                name, k, inner = words[1], words[2], words[3:]
                k = {"any": "1", "all": str(len(inner))}.get(k, k)
                need(matches("[1-9][0-9]{0,5}", k) and int(k) <= len(inner), "threshold of a group")
                for member in inner:
                    need(self._known(member) and member not in members, f"group member {member}")
                    members.add(member)
                self._new(name)
                self.groups[name] = (int(k), inner)
            elif words[0] == "quorum":
                need(len(words) == 2 and self.quorum is None, "quorum line")
                need(words[1] == "none" or self._known(words[1]), "unknown quorum")
                self.quorum = words[1]
            else:
                raise Malformed(f"unknown line {words[0]}")
        need(self.quorum is not None, "no quorum line")

    def _known(self, name):
        return name in self.witnesses or name in self.groups

    def _new(self, name):
        need(name != "none" and not self._known(name), f"name {name} twice")

    def holds(self, name, seen):
        if name in self.groups:
            k, inner = self.groups[name]
            return sum(self.holds(member, seen) for member in inner) >= k
        return name == "none" or name in seen

    def counting(self, name):
        """The witnesses that a name leads to."""
        if name in self.groups:
            return [w for member in self.groups[name][1] for w in self.counting(member)]
        return [self.witnesses[name]] if name in self.witnesses else []

    def oldest(self, note):
        """The time of the oldest valid cosignature that the quorum could count, or None."""
        times = [note.cosigned(key) for key in self.counting(self.quorum)]
        return min((time for time in times if time not in (None, False)), default=None)


# --- §3, §8, §9: forms of events, bodies and rules ----------------------------------------------------------------------
CAPACITIES = set("donor recipient implementer carrier custodian inspector oversight licensor tracer operator".split())
GRADES = {"sighted", "scanned", "photographed", "documented", "self_declared", "not_seen"}
DAYS = ("receipt_within initial_inventory_within inventory_every routine_check_every loss_report_within "
        "discrepancy_claim_within diversion_triage_within retain_years").split()


def text(v):
    need(isinstance(v, str) and len(v.encode()) <= 4096, "not a text of at most 4,096 bytes")


def form(pattern):
    return lambda v: need(matches(pattern, v), f"not of the form {pattern}")


def one_of(*values):
    return lambda v: need(isinstance(v, str) and v in values, "not one of " + ", ".join(sorted(values)))


def integer(low, high):
    return lambda v: need(type(v) is int and low <= v <= high, f"not an integer from {low} to {high}")


def boolean(v):
    need(type(v) is bool, "not a boolean")


def array(inner, low=0, high=1 << 30, distinct=False):
    def check(v):
        need(isinstance(v, list) and low <= len(v) <= high, "not an array of that length")
        for item in v:
            inner(item)
        need(not distinct or len(set(v)) == len(v), "one element twice")
    return check


def record(required, optional=None):
    def check(v):
        need(isinstance(v, dict), "not an object")
        for name in v:
            need(name in required or name in (optional or {}), f"unknown member {name[:40]!r}")
        for name, inner in required.items():
            need(name in v, f"no member {name}")
            inner(v[name])
        for name, inner in (optional or {}).items():
            if name in v:
                inner(v[name])
    return check


def nullable(inner):
    return lambda v: v is None or inner(v)


def party_id(v):
    need(matches(PARTY, v) and v != "governance", "not a party id")


def roles(v):
    need(isinstance(v, dict), "roles are an object")
    for role, bound in v.items():
        need(role in CAPACITIES, f"unknown role {role[:40]!r}")
        array(party_id, distinct=True)(bound)
    need(v.get("donor") and v.get("recipient"), "no donor or no recipient")
    need(len({p for bound in v.values() for p in bound}) <= 256, "more than 256 parties")


def governance(v):
    record({"threshold": integer(1, 8), "keys": array(lambda k: b64(k, 32), 1, 8, True)})(v)
    need(v["threshold"] <= len(v["keys"]), "a threshold beyond the keys")


def rule(v, case, whole=None, depth=1):
    """Checks a rule, and returns how many leaves it has."""
    need(isinstance(v, dict) and depth <= 8, "a rule is an object, at most 8 deep")
    operators = [o for o in "governance role capacity party any_party corrected all any at_least".split() if o in v]
    if "party" in operators and "role" in operators:
        operators.remove("role")
    need(len(operators) == 1, "a rule has one operator")
    op = operators[0]
    keys = {"keys": integer(1, 16)}
    true = lambda x: need(x is True, "not true")
    if op in ("governance", "any_party", "corrected"):
        record({op: true})(v)
        need(op != "corrected" or whole == "statement.corrected", "corrected stands elsewhere")
        return 1
    if op in ("role", "capacity"):
        record({op: one_of(*CAPACITIES)}, keys)(v)
    elif op == "party":
        record({op: form(r"(/([^~/]|~[01])*)*")}, {"role": one_of(*CAPACITIES), "optional": boolean, **keys})(v)
    if op in ("role", "capacity", "party"):
        need("role" not in v or case == "required", "a role where no case is required")
        return 1
    record({op: lambda x: None})(v)
    inner = v[op]
    if op == "at_least":
        record({"n": integer(1, 16), "of": lambda x: None})(inner)
        n, inner = inner["n"], inner["of"]
    need(isinstance(inner, list) and 1 <= len(inner) <= 16, "1 to 16 rules")
    need(op != "at_least" or n <= len(inner), "n beyond the rules")
    leaves = sum(rule(i, case, None, depth + 1) for i in inner)
    need(leaves <= 16, "more than 16 leaves")
    return leaves


def table(v):
    need(isinstance(v, dict), "a policy is an object")
    for kind, row in v.items():
        form(KIND)(kind)
        record({"case": one_of("required", "forbidden", "any"), "rule": lambda x: None})(row)
        need(row["case"] != "any" or kind == "statement.corrected", "any for another kind")
        rule(row["rule"], row["case"], kind)
    for kind in BODIES:
        need(kind in v, f"no row for {kind}")
        need(v[kind]["case"] == ("required" if kind.startswith("case.") else "forbidden"), f"case of {kind}")


PATTERN = form(KIND + r"|[a-z_]+\.\*|\*")
K = record({"public_key": lambda v: b64(v, 32), "holder": text, "uses": array(PATTERN), "not_after": nullable(millis)})
ORIGIN, LOG_KEY = form(r"[a-z0-9][a-z0-9./_-]{2,127}"), lambda v: VKey(v, 1)
PARTY_PARTS = {"name": text, "country": nullable(form("[A-Z]{2}")), "capacities": array(one_of(*CAPACITIES))}
CASE_PARTS = {
    "title": text, "legal_basis": array(text), "roles": roles,
    "terms": record({}, {**{t: integer(0, 36_500) for t in DAYS}, "site_certificate_before_dispatch": boolean,
                         "inventory_grade": one_of(*GRADES)}),
    "monitoring": one_of("routine", "enhanced"), "permitted_end_use": text, "permitted_end_users": array(text),
    "retransfer": one_of("prohibited", "with_consent"),
}
CASE_MORE = {"references": array(record({"scheme": text, "value": text})), "remarks": text}
BODIES = {
    "ledger.created": record({"origin": ORIGIN, "log_key": LOG_KEY, "governance": governance, "policy": table},
                             {"predecessor": record({"ledger": form(HASH), "size": integer(0, MAX_INT), "root": form(HASH)})}),
    "ledger.closed": record({"reason": text}),
    "policy.changed": record({"policy": table, "reason": text}),
    "governance.changed": record({"governance": governance, "reason": text}),
    "log_key.rotated": record({"log_key": LOG_KEY, "reason": text}),
    "party.enrolled": record({"party": party_id, **PARTY_PARTS, "keys": array(K, 1, 8)}),
    "party.amended": record({"party": party_id, "reason": text}, PARTY_PARTS),
    "party.succeeded": record({"party": party_id, "successor": party_id, "reason": text}),
    "key.added": record({"party": party_id, "key": K}),
    "key.retired": record({"party": party_id, "keyid": form(HASH), "reason": text}),
    "key.revoked": record({"party": party_id, "keyid": form(HASH), "reason": text, "suspect_from": nullable(millis)}),
    "case.opened": record(CASE_PARTS, CASE_MORE),
    "case.amended": record({"reason": text}, {**CASE_PARTS, **CASE_MORE}),
    "case.inspectors": record({"inspector": array(party_id, distinct=True), "reason": text}),
    "case.closed": record({"reason": text}),
}
DATE = r"(\d{4})-(\d\d)-(\d\d)"


def occurred(v):
    need(isinstance(v, dict), "not an object")
    forms = ({"at": millis}, {"from": millis, "to": millis}, {"date": lambda d: millis(d, DATE)},
             {"unknown": lambda t: need(isinstance(t, str), "not a text")})
    for one in forms:
        if set(v) == set(one):
            return record(one)(v)
    raise Malformed("none of the forms of occurred")


def author(v):
    need(matches(PARTY, v), "not a party id")


def signers(v):
    array(author, 1)(v)
    need(all(a < b for a, b in zip(v, v[1:])), "not sorted, or one twice")


def file_name(v):
    need(isinstance(v, str) and 1 <= len(v.encode()) <= 255 and not re.search(r"[/\\\0-\x1f\x7f-\x9f]", v), "not a file name")


MEDIA_NAME = "[A-Za-z0-9!#$&^_.+-]{1,127}"
EVIDENCE = array(record({"sha256": form(HASH), "size": integer(0, MAX_INT), "name": file_name,
                         "media_type": form(MEDIA_NAME + "/" + MEDIA_NAME)}), 1, 64)
EVENT = record(
    {"countersign": integer(1, 1), "id": form(UUID), "kind": form(KIND), "subject": form("[a-z_]+/" + ID),
     "after": nullable(form(HASH)), "author": author, "occurred": occurred,
     "body": lambda v: need(isinstance(v, dict), "not an object")},
    {"ledger": form(HASH), "case": form(ID), "signers": signers, "until": millis, "evidence": EVIDENCE, "corrects": form(HASH)})


def pae(payload):
    return b"DSSEv1 %d %s %d %s" % (len(EVENT_TYPE), EVENT_TYPE.encode(), len(payload), payload)


ENTRY = "seq time prev governance case stream envelope".split()


def read_entry(line):
    """§5 and §4: the members of an entry line, and the payload that was signed."""
    need(line is not None and len(line) <= MAX_ENTRY, f"an entry of more than {MAX_ENTRY} bytes")
    need(re.fullmatch(rb"[\x21-\x5b\x5d-\x7e]+", line), "not ASCII without backslash and white space")
    entry = parse(line)
    need(isinstance(entry, dict) and list(entry) == ENTRY, "members of an entry")
    need(json.dumps(entry, separators=(",", ":")).encode() == line, "not written canonically")
    integer(0, MAX_INT)(entry["seq"])
    need(matches(r".{23}Z", entry["time"]), "not three fraction digits")
    entry["ms"] = millis(entry["time"])
    form(HASH)(entry["prev"])
    for pointer in ("governance", "case", "stream"):
        nullable(integer(0, MAX_INT))(entry[pointer])
    envelope = entry["envelope"]
    need(isinstance(envelope, dict) and list(envelope) == ["payloadType", "payload", "signatures"], "members of an envelope")
    need(isinstance(envelope["signatures"], list) and 1 <= len(envelope["signatures"]) <= 16, "1 to 16 signatures")
    entry["signatures"] = {}
    last = ""
    for one in envelope["signatures"]:
        need(isinstance(one, dict) and list(one) == ["keyid", "sig"] and matches(HASH, one["keyid"]), "members of a signature")
        need(one["keyid"] > last, "signatures not sorted, or two by one key")
        last = one["keyid"]
        entry["signatures"][last] = b64(one["sig"], 64)
    entry["payload"] = b64(envelope["payload"])
    kind = envelope["payloadType"]
    if matches(r"application/vnd\.countersign\.event\.v([2-9]|[1-9][0-9]+)\+json", kind):
        raise Newer(f"{kind} needs a newer version of this program")
    need(kind == EVENT_TYPE, "payloadType")
    need(len(entry["payload"]) <= MAX_PAYLOAD, f"a payload of more than {MAX_PAYLOAD} bytes")
    return entry


def read_event(payload, seq, origin=None):
    """§3: the event in a payload; origin, where it is known, is what §6 asks the log key to be named."""
    event = parse(payload)
    need(isinstance(event, dict), "an event is an object")
    if type(event.get("countersign")) is int and event["countersign"] >= 2:
        raise Newer(f"countersign {event['countersign']} needs a newer version of this program")
    EVENT(event)
    kind = event["kind"]
    need((kind == "ledger.created") == (seq == 0), "ledger.created is entry 0, and only it")
    need(("ledger" in event) == (kind != "ledger.created"), "ledger is absent only in ledger.created")
    need(("corrects" in event) == (kind == "statement.corrected"), "corrects stands only in statement.corrected")
    if kind in BODIES:
        BODIES[kind](event["body"])
        name = event["body"].get("origin", origin)
        if "log_key" in event["body"] and name is not None:
            need(VKey(event["body"]["log_key"], 1).name == name, "the log key is not named as the origin")
    return event


# --- §10: disclosures ---------------------------------------------------------------------------------------------------
def undisclosed(event, given):
    """Puts the disclosures, each with its line, back; returns how many digests have none. Refuses all that §10 does."""
    digests, seen, waiting = {}, set(), {}

    def digest(v):
        need(matches(r"[A-Za-z0-9_-]{43}", v) and len(from_url64(v)) == 32, "not a digest")
        need(v not in seen, "one digest twice")
        seen.add(v)
        return v

    def collect(v):
        if isinstance(v, dict):
            need("_sd_alg" not in v and "..." not in v, "_sd_alg, or ... outside an array")
            if "_sd" in v:
                need(isinstance(v["_sd"], list) and v["_sd"], "_sd is an array, not empty")
                for d in v["_sd"]:
                    digests[digest(d)] = (v, None)
        for name, inner in v.items() if isinstance(v, dict) else enumerate(v) if isinstance(v, list) else ():
            if isinstance(v, list) and isinstance(inner, dict) and "..." in inner:
                need(len(inner) == 1, "... beside another member")
                digests[digest(inner["..."])] = (v, name)
            elif name != "_sd" or isinstance(v, list):
                collect(inner)

    if event["kind"] not in BODIES:
        collect(event["body"])
    need(len(given) <= 256 and sum(len(d) for d, _ in given) <= 256 << 10, "more than 256 disclosures or 256 KiB")

    def put_back(digest_):
        (holder, place), (value, _) = digests.pop(digest_), waiting.pop(digest_)
        need((len(value) == 3) == (place is None), "an element for a member, or a member for an element")
        if place is None:
            need(value[1] not in ("_sd", "...", "_sd_alg") and value[1] not in holder, f"the name {value[1][:40]!r}")
        holder[value[1] if place is None else place] = value[-1]
        collect(value[-1])

    line = None
    try:
        for disclosure, line in given:
            value = parse(from_url64(disclosure))
            need(isinstance(value, list) and len(value) in (2, 3), "not of two or three elements")
            need(isinstance(value[0], str) and len(from_url64(value[0])) == 16, "a salt is 16 bytes")
            need(len(value) == 2 or isinstance(value[1], str), "a name is a text")
            d = url64(sha(disclosure.encode()))
            need(d not in waiting, "one disclosure twice")
            waiting[d] = (value, line)
        while waiting:
            matching = [d for d in waiting if d in digests]
            line = waiting[(matching or list(waiting))[0]][1]
            need(matching, "a disclosure that belongs to nothing here")
            put_back(matching[0])
    except Malformed as e:
        e.line = line
        raise
    walk(event)
    return len(digests)


# --- §8, §9: authority --------------------------------------------------------------------------------------------------
class Key:
    def __init__(self, k, party, strength):
        self.public, self.party, self.strength = b64(k["public_key"]), party, strength
        self.uses, self.not_after = k["uses"], None if k["not_after"] is None else millis(k["not_after"])
        self.retired = self.revoked = None
        self.used = []  # (seq, time): for suspicion

    def covers(self, pattern):
        return any(u in ("*", pattern) or u.endswith(".*") and pattern.startswith(u[:-1]) for u in self.uses)


def at_pointer(value, pointer):
    """RFC 6901; None where it finds nothing."""
    for token in pointer.split("/")[1:]:
        token = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and token in value:
            value = value[token]
        elif isinstance(value, list) and matches("0|[1-9][0-9]{0,6}", token) and int(token) < len(value):
            value = value[int(token)]
        else:
            return None
    return value


def leaves(r):
    for op in ("all", "any", "at_least"):
        if op in r:
            return [leaf for inner in (r[op]["of"] if op == "at_least" else r[op]) for leaf in leaves(inner)]
    return [r]


class Authority:
    """What the entries so far have set."""

    def __init__(self):
        self.threshold, self.governors, self.log_keys, self.policy, self.closed = 0, set(), [], {}, False
        self.keys, self.publics = {}, {}  # keyid to Key; keyid to public key, of all that ever entered
        self.parties, self.successors, self.cases = {}, {}, {}
        self.events = {}  # hash to (stream, kind, signing parties, quorum), for `after` and `corrects`

    def final(self, party):
        while party in self.successors:
            party = self.successors[party]
        return party

    def bound(self, roles_, role):
        return {self.final(p) for p in roles_.get(role, ())}

    def introduced(self, event):
        """keyid to public key of the signing keys that an event introduces, in a list: one may stand twice."""
        kind, body = event["kind"], event["body"]
        if kind in ("ledger.created", "governance.changed"):
            publics = [b64(k) for k in body["governance"]["keys"]]
            return [(sha(p).hex(), p) for p in publics if sha(p).hex() not in self.governors]
        ks = body["keys"] if kind == "party.enrolled" else [body["key"]] if kind == "key.added" else []
        return [(sha(b64(k["public_key"])).hex(), b64(k["public_key"])) for k in ks]

    def counts(self, key, kind, ms, corrected):
        return (key.retired is None and key.revoked is None and key.party not in self.successors and key.covers(kind)
                and (corrected is None or key.covers(corrected)) and (key.not_after is None or ms <= key.not_after))

    def judge_keys(self, event, entry, act):
        """KEY. Fills in who signs with counting keys; returns the first fault, or None."""
        kind, body, fault = event["kind"], event["body"], None
        new = self.introduced(event)
        fresh = {keyid for keyid, _ in new if keyid not in self.publics}
        corrected = self.events.get(event.get("corrects"), (None, None))[1]
        act.hidden = act.hidden and "corrects" in event and event["corrects"] not in self.events
        governors = fresh if kind == "ledger.created" else self.governors
        for keyid in entry["signatures"]:
            key = self.keys.get(keyid)
            if keyid in governors:
                act.governors += 1
            elif keyid in fresh:
                pass
            elif key and self.counts(key, kind, entry["ms"], corrected):
                act.keys.setdefault(key.party, []).append(key)
                act.doubtful = act.doubtful or act.hidden and "*" not in key.uses
            else:
                fault = fault or f"key {keyid} does not count here"
        logs = [VKey(body["log_key"], 1).public] if kind in ("ledger.created", "log_key.rotated") else []
        entering = [p for _, p in new] + logs
        for public in entering:
            if sha(public).hex() in self.publics or entering.count(public) > 1:
                fault = fault or f"key {sha(public).hex()} entered before"
            elif not acceptable(public):
                fault = fault or f"key {sha(public).hex()} is not acceptable"
        for keyid, _ in new:
            if keyid not in entry["signatures"]:
                fault = fault or f"introduced key {keyid} did not sign"
        if kind in ("key.retired", "key.revoked"):
            key = self.keys.get(body["keyid"])
            if not key or key.party != body["party"]:
                fault = fault or "keyid is not of that party"
            elif key.revoked is not None or kind == "key.retired" and key.retired is not None:
                fault = fault or "that key is retired or revoked already"
        threshold = body["governance"]["threshold"] if kind == "ledger.created" else self.threshold
        act.quorum = act.governors >= threshold
        return fault

    def satisfied(self, r, event, act, roles_):
        """§9: whether one choice of leaves can be assigned pairwise different signing parties."""
        every, candidates = leaves(r), []
        for leaf in every:
            n, can = leaf.get("keys", 1), set()
            if "party" in leaf:
                named = at_pointer(event, leaf["party"])
                if named is None and leaf.get("optional"):
                    candidates.append(None)  # holds, unassigned
                    continue
                can = {self.final(named)} if isinstance(named, str) else set()
                can = can & self.bound(roles_, leaf["role"]) if "role" in leaf else can
            elif "role" in leaf:
                can = {p for p in self.bound(roles_, leaf["role"]) if leaf["role"] in self.parties.get(p, ())}
            elif "capacity" in leaf:
                can = {p for p in act.keys if leaf["capacity"] in self.parties[p]}
            elif "any_party" in leaf:
                can = set(act.keys)
            elif "governance" in leaf:
                candidates.append(None if act.quorum else set())
                continue
            fit = {p: sum(k.strength >= n for k in ks) if "keys" in leaf else len(ks) for p, ks in act.keys.items()}
            candidates.append({p for p in can if fit.get(p, 0) >= n})
        index = iter(range(len(every)))

        def choices(r):
            """The sets of leaves, as bits, that one can choose to make a rule hold."""
            for op in ("all", "any", "at_least"):
                if op in r:
                    inner = [choices(i) for i in (r[op]["of"] if op == "at_least" else r[op])]
                    n = len(inner) if op == "all" else 1 if op == "any" else r[op]["n"]
                    made = [{0}] + [set()] * n
                    for some in inner:
                        for k in range(n, 0, -1):
                            made[k] = made[k] | {a | b for a in made[k - 1] for b in some}
                    return made[n]
            i = next(index)
            return {0} if candidates[i] is None else {1 << i} if candidates[i] else set()

        def assignable(chosen):
            taken = {}

            def place(i, tried):
                for p in candidates[i] - tried:
                    tried.add(p)
                    if p not in taken or place(taken[p], tried):
                        taken[p] = i
                        return True
                return False
            return all(place(i, set()) for i in range(len(every)) if chosen >> i & 1)
        return any(assignable(chosen) for chosen in choices(r))

    def judge_policy(self, event, entry, act, starts):
        """POLICY: every way in which an event may not be there."""
        kind, body, case = event["kind"], event["body"], event.get("case")
        subject, parties, quorum = event["subject"], set(act.keys), act.quorum
        type_ = subject.split("/")[0]
        want = {"party": f"party/{body.get('party')}", "key": f"party/{body.get('party')}", "case": f"case/{case}"}
        want = want.get(kind.split(".")[0], "ledger/self")
        if self.closed:
            yield "nothing may follow ledger.closed"
        if kind in BODIES and subject != want:
            yield f"{kind} is on {want}"
        if kind not in BODIES and type_ in ("ledger", "party", "case"):
            yield f"no other kind is on a {type_}"
        if kind in ("party.enrolled", "case.opened") and starts is False:
            yield f"{kind} starts its stream"
        if kind not in ("party.enrolled", "case.opened") and type_ in ("party", "case") and starts:
            yield f"{kind} starts no {type_}"
        if case is not None and kind != "case.opened" and case not in self.cases:
            yield f"case {case} is not open"
        own = f"{type_}/{event['author']}."
        if case is None and starts and type_ not in ("ledger", "party") and not subject.startswith(own):
            yield "the subject id does not begin with the author's id"
        if event["author"] == "governance" and not quorum or event["author"] != "governance" and event["author"] not in parties:
            yield "the author did not sign"
        if "signers" in event and set(event["signers"]) != parties | ({"governance"} if act.governors else set()):
            yield "others signed than signers says"
        if act.governors and not quorum:
            yield "governance signatures short of the quorum"
        if kind in BODIES and kind.split(".")[0] not in ("key", "case") and not quorum:
            yield f"{kind} needs the quorum"
        row = (body["policy"] if kind == "ledger.created" else self.policy).get(kind)
        before = self.cases.get(case, {})
        roles_ = body["roles"] if kind == "case.opened" else before
        corrected = None
        if kind == "statement.corrected" and not act.hidden:
            corrected = self.events.get(event["corrects"])
            if not corrected or corrected[0] != (case, subject) or corrected[1] in BODIES or corrected[1] == kind:
                yield "corrects names no event that can be corrected"
                corrected = None
        signed_that = {self.final(p) for p in corrected[2]} if corrected else set()
        if row is None:
            yield f"no rule for {kind}"
        else:
            if row["case"] != "any" and (case is None) != (row["case"] == "forbidden"):
                yield f"a case is {row['case']}"
            if act.hidden:
                return
            if "corrected" in row["rule"]:
                if corrected and (signed_that - parties or corrected[3] and not quorum):
                    yield "not all who signed the corrected event signed"
            elif not self.satisfied(row["rule"], event, act, roles_):
                yield f"the rule for {kind} is not satisfied"
        new = (body.get("roles") if kind in ("case.opened", "case.amended") else
               {**before, "inspector": body["inspector"]} if kind == "case.inspectors" else None)
        if case is not None:
            inside = {p for r in (roles_, new or {}) for role in r for p in self.bound(r, role)} | signed_that
            named = {leaf["capacity"] for leaf in leaves(row["rule"]) if "capacity" in leaf} if row else set()
            if any(p not in inside and not named & self.parties[p] for p in parties):
                yield "a party outside the case signed"
        if new is not None:
            touched = {"inspector": new["inspector"]} if kind == "case.inspectors" else new
            for role, bound in touched.items():
                for p in bound:
                    if role not in self.parties.get(p, ()) or p in self.successors:
                        yield f"{p} cannot be bound as {role}"
                    given = p not in self.bound(before, role) if kind != "case.opened" else role in ("donor", "recipient")
                    if given and p not in parties:
                        yield f"{p} did not sign, and is given the role {role}"
                if kind == "case.amended" and role in ("donor", "recipient") and not quorum:
                    if self.bound(before, role) - set(bound) - parties:
                        yield f"a party taken off {role} did not sign"
        if kind in ("party.amended", "party.succeeded") and body["party"] in self.successors:
            yield "that party is succeeded"
        if kind == "party.succeeded":
            p, s = body["party"], body["successor"]
            if p == s or s in self.successors or s not in self.parties or self.parties.get(p, set()) - self.parties[s]:
                yield f"{s} cannot succeed {p}"
            if s not in parties:
                yield "the successor did not sign"
        if kind.startswith("key.") and kind in BODIES and not quorum:
            own = act.keys.get(body["party"], [])
            if not own:
                yield "neither the party nor the quorum signed"
            elif kind == "key.added":
                end = None if body["key"]["not_after"] is None else millis(body["key"]["not_after"])
                if not any(all(k.covers(u) for u in body["key"]["uses"])
                           and (k.not_after is None or end is not None and end <= k.not_after) for k in own):
                    yield "the new key may do more than the keys that signed"
            elif kind == "key.revoked" and body["suspect_from"] is not None:
                if entry["ms"] - millis(body["suspect_from"]) > 30 * DAY:
                    yield "suspect_from more than 30 days ago needs the quorum"

    def apply(self, event, seq, act):
        """What an authority event sets for the entries after it. Of two starts the first stands."""
        kind, body, case = event["kind"], event["body"], event.get("case")
        if kind in ("ledger.created", "governance.changed"):
            for keyid, public in self.introduced(event):
                self.publics.setdefault(keyid, public)
            self.governors = {sha(b64(k)).hex() for k in body["governance"]["keys"]}
            self.threshold = body["governance"]["threshold"]
        if kind in ("ledger.created", "log_key.rotated"):
            self.log_keys.append((seq, VKey(body["log_key"], 1)))
            self.publics.setdefault(sha(self.log_keys[-1][1].public).hex(), self.log_keys[-1][1].public)
        if kind in ("ledger.created", "policy.changed"):
            self.policy = body["policy"]
        self.closed = self.closed or kind == "ledger.closed"
        party = body.get("party")
        if kind == "party.enrolled" and party not in self.parties:
            self.parties[party] = set(body["capacities"])
            self._enter(body["keys"], party, 99)
        elif kind == "party.amended" and party in self.parties and "capacities" in body:
            self.parties[party] = set(body["capacities"])
        elif kind == "party.succeeded" and party not in self.successors and self.final(body["successor"]) != party:
            self.successors[party] = body["successor"]
        elif kind == "key.added":
            own = sorted((k.strength for k in act.keys.get(party, [])), reverse=True)
            self._enter([body["key"]], party, 99 if act.quorum else sum(s >= i + 1 for i, s in enumerate(own)))
        elif kind in ("key.retired", "key.revoked") and getattr(self.keys.get(body["keyid"]), "party", None) == party:
            key = self.keys[body["keyid"]]
            if kind == "key.retired":
                key.retired = seq
            elif key.revoked is None:
                key.revoked = (seq, "governance" if act.quorum else "party", body["suspect_from"])
        elif kind == "case.opened" and case is not None:
            self.cases.setdefault(case, body["roles"])
        elif kind == "case.amended" and case in self.cases and "roles" in body:
            self.cases[case] = body["roles"]
        elif kind == "case.inspectors" and case in self.cases:
            self.cases[case] = {**self.cases[case], "inspector": body["inspector"]}

    def _enter(self, ks, party, strength):
        for k in ks:
            key = Key(k, party, strength)
            keyid = sha(key.public).hex()
            if keyid not in self.publics:
                self.keys[keyid], self.publics[keyid] = key, key.public


class Act:
    """Who signed an event with keys that count."""

    def __init__(self, hidden=False):
        self.keys, self.governors, self.quorum = {}, 0, False
        self.hidden = hidden  # something is not shown; then: what this corrects is not
        self.doubtful = False  # whether a key may correct that


# --- §11: files ---------------------------------------------------------------------------------------------------------
def chunks(path):
    """The bytes of a file, unpacked if it is zstd."""
    try:
        with open(path, "rb") as file:
            start = file.read(1024)
            if start[:4] != b"\x28\xb5\x2f\xfd":
                while start:
                    yield start
                    start = file.read(1 << 16)
                return
            try:
                import zstandard
            except ImportError:
                raise NotChecked(f"{path} is zstd: unpack it with `zstd -d` first, or `pip install zstandard`") from None
            unpacking = zstandard.ZstdDecompressor(max_window_size=8 << 20).decompressobj()
            try:
                while start:
                    need(not unpacking.eof, "bytes after the end of the zstd frame")
                    yield unpacking.decompress(start)
                    start = unpacking.unused_data or file.read(1024)
                need(unpacking.eof, "the zstd frame is cut short")
            except zstandard.ZstdError as e:
                raise Malformed(f"zstd: {e}") from None
    except OSError as e:
        raise NotChecked(str(e)) from None


def lines(path):
    """(line, or None when longer than 1 MiB; its leaf hash; whether it ends in LF)."""
    parts, length, leaf = [], 0, hashlib.sha256(b"\0")
    for chunk in chunks(path):
        at = 0
        while at < len(chunk):
            end = chunk.find(b"\n", at)
            piece = chunk[at:] if end < 0 else chunk[at:end]
            leaf.update(piece)
            length += len(piece)
            if length <= MAX_LINE:
                parts.append(piece)
            if end < 0:
                break
            yield b"".join(parts) if length <= MAX_LINE else None, leaf.digest(), True
            parts, length, leaf, at = [], 0, hashlib.sha256(b"\0"), end + 1
    if length:
        yield b"".join(parts) if length <= MAX_LINE else None, leaf.digest(), False


def whole_file(path, limit, reader):
    """A small file given to check against: what is wrong with it is not the ledger's fault."""
    try:
        with open(path, "rb") as file:
            data = file.read(limit + 1)
    except OSError as e:
        raise NotChecked(str(e)) from None
    try:
        need(len(data) <= limit, f"more than {limit} bytes")
        return reader(data)
    except (Malformed, UnicodeDecodeError) as e:
        raise NotChecked(f"{path}: {e}") from None


# --- §13 ----------------------------------------------------------------------------------------------------------------
class Report:
    def __init__(self):
        self.checks = {c: {"code": c, "result": "ok", "seq": None, "line": None, "expected": None, "found": None,
                           "detail": None} for c in CODES}
        self.verdict = self.ledger = self.size = None
        self.shown = self.undisclosed = 0
        self.suspect, self.sealed, self.sealed_before, self.newer, self.extract = [], [], None, False, False

    def set(self, code, result, detail, seq=None, line=None, expected=None, found=None):
        """Keeps the first fault, and no doubt beside it."""
        rank = ["ok", "not_applicable", "undecided", "failed"]
        if rank.index(result) > rank.index(self.checks[code]["result"]):
            self.checks[code].update(result=result, detail=detail, seq=seq, line=line, expected=expected, found=found)

    def fail(self, code, detail, seq=None, line=None, expected=None, found=None):
        self.set(code, "failed", detail, seq, line, expected, found)

    def conclude(self):
        results = {c["result"] for c in self.checks.values()}
        self.verdict = ("failed" if "failed" in results else "not_checked" if self.newer else
                        "partial" if self.extract or "undecided" in results else "verified")
        return self

    def status(self):
        return {"verified": 0, "failed": 1, "not_checked": 2, "partial": 3}[self.verdict]

    def json(self):
        return {"verdict": self.verdict, "ledger": self.ledger, "size": self.size, "shown": self.shown,
                "undisclosed": self.undisclosed, "checks": list(self.checks.values()), "suspect": self.suspect,
                "sealed": self.sealed}


# --- §15: seals ---------------------------------------------------------------------------------------------------------
SEAL = record({"size": integer(0, MAX_INT), "streams": integer(0, MAX_INT), "root": form(HASH)})
PATH = array(form(HASH), 0, 256)
SEALED = record({"case": nullable(form(ID)), "path": PATH},
                {"subject": form("[a-z_]+/" + ID), "within": PATH,
                 "instead": nullable(record({"key": form(HASH), "value": form(HASH)}))})
NOTHING = sha(b"\2")


def bit(key, at):
    return key[at // 8] >> (7 - at % 8) & 1


def keyed(pairs, depth=0):
    """K of a dictionary."""
    if len(pairs) < 2:
        return sha(b"\3", *next(iter(pairs.items()))) if pairs else NOTHING
    halves = {}, {}
    for key, value in pairs.items():
        halves[bit(key, depth)][key] = value
    return sha(b"\4", keyed(halves[0], depth + 1), keyed(halves[1], depth + 1))


def climb(key, end, siblings):
    for depth in range(len(siblings) - 1, -1, -1):
        pair = end, bytes.fromhex(siblings[depth])
        end = sha(b"\4", *(reversed(pair) if bit(key, depth) else pair))
    return end


class Streams:
    """The streams of the entries shown so far: case ("" for none) to key of the subject to [e, head, a, last]."""

    def __init__(self):
        self.cases, self.lines, self.seal, self.asked, self.waiting = {}, 0, None, set(), None

    def settle(self):
        """What the entry before says counts from here on."""
        if self.waiting:
            for stream, hash_, at in self.waiting:
                case, key = stream[0] or "", sha(stream[1].encode())
                one = self.cases.setdefault(case, {}).setdefault(key, [0, None, 0, bytes(32)])
                one[at], one[at + 1] = one[at] + 1, bytes.fromhex(hash_)
        self.seal, self.waiting, self.asked = None, None, set()

    def tree(self, case):
        return {key: sha(b"\5", e.to_bytes(8, "big"), head, a.to_bytes(8, "big"), last)
                for key, (e, head, a, last) in self.cases[case].items()}

    def root(self):
        return keyed({sha(case.encode()): keyed(self.tree(case)) for case in self.cases}).hex()

    def proven(self, line):
        """The root that a `sealed` line leads to, and how many events it is of."""
        case = line["case"] or ""
        key, tree = sha(case.encode()), self.tree(case) if case in self.cases else None

        def instead(key, way):
            need("instead" in line, "nothing of it is shown, and the line does not say that there is nothing")
            if line["instead"] is None:
                return NOTHING
            other, value = (bytes.fromhex(line["instead"][m]) for m in ("key", "value"))
            need(other != key and all(bit(other, i) == bit(key, i) for i in range(len(way))), "instead is not on the way")
            return sha(b"\3", other, value)

        if "within" in line:
            subject = sha(line["subject"].encode())
            shown = tree and subject in tree
            end = sha(b"\3", subject, tree[subject]) if shown else instead(subject, line["within"])
            end = sha(b"\3", key, climb(subject, end, line["within"]))
            events = self.cases[case][subject][0] if shown else 0
        else:
            shown = tree is not None
            need(not shown or "subject" not in line, "its case has streams")
            end = sha(b"\3", key, keyed(tree)) if shown else instead(key, line["path"])
            events = sum(one[0] for one in self.cases[case].values()) if shown else 0
        need(not shown or "instead" not in line, "it is shown, and the line says that there is nothing")
        return climb(key, end, line["path"]).hex(), events


class Bundle:
    """One pass over a bundle."""

    def __init__(self, path, ledger, trust=None, previous=None, evidence=(), receipt=None):
        self.report, self.given, self.trust, self.previous = Report(), ledger, trust, previous
        self.receipt, self.state, self.tree = receipt, Authority(), Tree()
        self.ledger = self.note = self.header = self.before = self.time = self.root = self.root_then = None
        self.governance, self.heads, self.ids, self.stopped = None, {}, set(), False
        self.shown, self.hidden, self.torn, self.lost = set(), False, False, False
        self.streams, self.unread, self.sealing = Streams(), False, False
        self.current, self.given_here, self.discloses, self.oldest = None, [], False, None
        self.evidence = {file: False for file in evidence}
        self.number = 0
        self.read(path)
        self.end()

    def read(self, path):
        source = lines(path)
        while True:
            try:
                line, leaf, ended = next(source)
            except StopIteration:
                break
            except Malformed as e:
                self.report.fail("FORMAT", str(e), line=self.number + 1)
                break
            self.number += 1
            if not ended:
                self.report.fail("FORMAT", "the last line does not end in LF", line=self.number)
            if self.number == 1:
                if not self.head(line):
                    return
            elif line == b"":
                self.report.fail("FORMAT", "an empty line", line=self.number)
            elif self.line(line, leaf) is False:
                break
        if self.number == 0:
            self.report.fail("FORMAT", "an empty file")

    def head(self, line):
        """The first line. False when nothing after it can be read."""
        try:
            need(line is not None, "a line of more than 1 MiB")
            header = parse(line)
            need(isinstance(header, dict), "the first line is no object")
            if type(header.get("countersign_bundle")) is int and header["countersign_bundle"] >= 2:
                self.newer("a bundle of a newer version", None, 1, CODES)
                return False
            record({"countersign_bundle": integer(1, 1), "ledger": form(HASH), "checkpoint": lambda v: None,
                    "scope": lambda v: None})(header)
            if header["scope"] != "full":
                scope = header["scope"] if isinstance(header["scope"], dict) else {}
                record({"since": integer(0, MAX_INT)} if "since" in scope else {"case": form(ID)},
                       {"subject": form("[a-z_]+/" + ID)} if "case" in scope else {})(header["scope"])
            self.header, self.note = header, Note(header["checkpoint"])
            self.report.size = self.note.size
            need(self.note.size >= 1, "a tree of size 0")
        except Malformed as e:
            self.note = None
            self.report.fail("FORMAT", str(e), line=1)
        self.report.extract = bool(self.header) and self.header["scope"] != "full"
        if self.note and self.trust:
            self.oldest = self.trust.oldest(self.note)
        return True

    def newer(self, what, seq, line, codes):
        self.report.newer = True
        for code in codes:
            self.report.set(code, "undecided", what, seq, line)

    def line(self, line, leaf):
        start = (line or b"")[:200].lstrip()
        if re.match(rb'\{\s*"disclosure"', start):
            return self.disclosure(line)
        if re.match(rb'\{\s*"sealed"', start):
            return self.sealed(line)
        if re.match(rb'\{\s*"withheld"', start):
            return self.withheld(line)
        if line is not None and b'"envelope"' not in line and b'"seq"' not in line:
            return self.report.fail("FORMAT", "neither an entry nor a disclosure", line=self.number)
        if re.match(rb'\{\s*"countersign_bundle"', start):
            return self.report.fail("FORMAT", "a second first line", line=self.number)
        self.finish()
        self.streams.settle()
        seq = self.tree.size
        if self.note and seq >= self.note.size:
            return self.report.fail("FORMAT", f"an entry beyond the size {self.note.size}", seq, self.number)
        if self.receipt and self.receipt.index == seq and leaf != self.receipt.leaf:
            self.report.fail("TREE", "the bundle has another entry there than the receipt", seq, self.number)
        self.report.shown += 1
        self.shown.add(seq)
        self.discloses = True
        try:
            self.entry(line, seq)
        except Malformed as e:
            self.unread = True
            self.report.fail("FORMAT", str(e), seq, self.number)
            self.stop("entry 0 is malformed" if seq == 0 else "the event is malformed", seq == 0)
        except Newer as e:
            self.newer(str(e), seq, self.number, ("FORMAT",))
            self.stop(str(e))
            self.unread, self.streams.seal = True, "newer"
        self.before = leaf
        self.tree.push(leaf)
        if self.previous and self.previous.size == seq + 1:
            self.root_then = self.tree.root()

    def withheld(self, line):
        """Leaves that are not shown: a whole subtree. False when there is no going on without them."""
        self.finish()
        self.streams.settle()
        try:
            one, seq = parse(line), self.tree.size
            record({"withheld": record({"start": integer(0, MAX_INT), "end": integer(0, MAX_INT), "hash": form(HASH)})})(one)
            start, end, root = (one["withheld"][m] for m in ("start", "end", "hash"))
            length = end - start
            need(length > 0 and length & length - 1 == 0 and start % length == 0, "not the leaves of one subtree")
            need(start == seq and not (self.note and end > self.note.size), f"not the leaves from {seq} on, within the tree")
            need(start > 0, "entry 0 is withheld")
            need(not self.header or self.header["scope"] != "full", "a full bundle with a withheld leaf")
        except Malformed as e:
            self.report.fail("FORMAT", str(e), line=self.number)
            self.stop("a leaf is withheld")
            self.torn = True
            return False
        self.tree.push(bytes.fromhex(root), length.bit_length() - 1)
        self.before, self.hidden, self.report.extract = bytes.fromhex(root) if length == 1 else None, True, True
        if self.previous and self.previous.size == end:
            self.root_then = self.tree.root()

    def sealed(self, line):
        """§15: a line on what the seal before it proves."""
        streams, place = self.streams, (self.tree.size - 1, self.number)
        self.finish()
        streams.lines += 1
        try:
            one = parse(line)
            record({"sealed": SEALED})(one)
            one = one["sealed"]
            need("within" not in one or "subject" in one, "within stands beside a subject")
            need(streams.lines <= 1024, "more than 1,024 sealed lines")
            if streams.seal == "newer":
                return
            need(streams.seal is not None, "a sealed line stands after a seal")
            name = (one["case"], one.get("subject"))
            need(name not in streams.asked, "a case or stream twice after one seal")
            streams.asked.add(name)
        except Malformed as e:
            return self.report.fail("FORMAT", str(e), line=self.number)
        if self.unread:
            return self.report.set("SEAL", "undecided", "an entry before the seal could not be read", *place)
        try:
            root, events = streams.proven(one)
            need(root == streams.seal, "something is left out or was changed")
            self.report.sealed.append({"seq": place[0], "case": name[0], "subject": name[1], "events": events})
        except Malformed as e:
            self.report.fail("SEAL", str(e), *place)

    def judge_seal(self, event, entry, place):
        """SEAL of an entry, and what it is for those after it."""
        case, subject, hash_ = event.get("case"), event["subject"], sha(pae(entry["payload"])).hex()
        self.streams.waiting = [((case, subject), hash_, 0)]
        about = event["body"].get("about")
        if case is None and subject.startswith("statement/") and isinstance(about, str) and about in self.state.events:
            self.streams.waiting.append((self.state.events[about][0], hash_, 2))
        if event["kind"] != "streams.sealed":
            return
        self.sealing, body, self.streams.seal = True, event["body"], "malformed"
        try:
            SEAL(body)
            need(case is None and subject.startswith("seal/"), "a seal has no case, and is on a seal")
            need(body["size"] == entry["seq"], "a seal says another position than its own")
            self.streams.seal = body["root"]
            if not self.unread and not self.hidden:
                count = sum(map(len, self.streams.cases.values()))
                need(body["streams"] == count, f"there are {count} streams")
                need(body["root"] == self.streams.root(), "the root over all streams is another")
        except Malformed as e:
            return self.report.fail("SEAL", str(e), *place)
        if self.unread:
            self.report.set("SEAL", "undecided", "an entry before the seal could not be read", *place)

    def stop(self, why, for_good=True):
        """Nothing can be said of this entry; nor, for good, of what rests on what it may have set."""
        self.stopped = self.stopped or for_good
        for code in ("LEDGER", "SIGNATURE", "KEY", "POLICY", "STREAM", "POINTERS", "TIME", "DISCLOSURE"):
            self.report.set(code, "undecided", why, self.tree.size, self.number)

    def disclosure(self, line):
        try:
            one = parse(line)
            record({"disclosure": lambda v: need(isinstance(v, str), "not a text")})(one)
        except Malformed as e:
            return self.report.fail("FORMAT", str(e), self.tree.size - 1 if self.tree.size else None, self.number)
        if not self.discloses:
            for code in ("FORMAT", "DISCLOSURE"):
                self.report.fail(code, "a disclosure that follows no entry", line=self.number)
        elif len(self.given_here) <= 256:  # one more than may be, so that it is noticed
            self.given_here.append((one["disclosure"], self.number))

    def finish(self):
        """The disclosures of the entry before are all there now."""
        if self.current:
            event, seq, number = self.current
            try:
                self.report.undisclosed += undisclosed(event, self.given_here)
            except Malformed as e:
                self.report.fail("DISCLOSURE", str(e), seq, e.line or number)
        self.current, self.given_here, self.discloses = None, [], False

    def entry(self, line, seq):
        try:
            prev = json.loads(line)["prev"] if line else None  # of a malformed line too, if it can be had
        except (ValueError, KeyError, TypeError, RecursionError):
            prev = None
        wanted = (self.before or bytes(32)).hex()
        if seq and self.before is None:
            self.report.set("CHAIN", "undecided", "the leaf before it is withheld", seq, self.number)
        elif not matches(HASH, prev):
            self.report.set("CHAIN", "undecided", "prev could not be read", seq, self.number)
        elif prev != wanted:
            self.report.fail("CHAIN", "prev is not the leaf hash before it", seq, self.number, wanted, prev)
        entry = read_entry(line)
        if entry["seq"] != seq:
            self.report.fail("FORMAT", "seq", seq, self.number, seq, entry["seq"])
        try:
            event = read_event(entry["payload"], seq, self.state.log_keys[0][1].name if self.state.log_keys else None)
        except Malformed:
            self.place_of_malformed(entry["payload"], seq)
            raise
        if self.time is not None and entry["ms"] < self.time:
            self.report.fail("TIME", "the time goes back", seq, self.number)
        self.time = entry["ms"]
        if self.oldest is not None and entry["ms"] > self.oldest * 1000 + 300_000:
            self.report.fail("TIME", "later than a cosignature", seq, self.number)
        hash_ = sha(pae(entry["payload"])).hex()
        self.judge_ledger(event, hash_, seq)
        for file in event.get("evidence", ()):
            if (file["sha256"], file["size"]) in self.evidence:
                self.evidence[file["sha256"], file["size"]] = True
        self.judge_seal(event, entry, (seq, self.number))
        if not self.stopped:
            self.judge(entry, event, hash_, seq)
            self.current = (event, seq, self.number)

    def place_of_malformed(self, payload, seq):
        """A malformed event still has a place, if it says which: the pointers and `after` of later ones may name it."""
        try:
            event = parse(payload)
            form("[a-z_]+/" + ID)(event["subject"])
            nullable(form(ID))(event.get("case"))
        except (Malformed, KeyError, TypeError, AttributeError):
            self.lost = True
            return
        stream, hash_ = (event.get("case"), event["subject"]), sha(pae(payload)).hex()
        self.heads[stream] = (seq, hash_)
        self.state.events[hash_] = (stream, None, (), False)
        if event["subject"].split("/")[0] in ("ledger", "party"):
            self.governance = seq

    def misplaced(self, code, detail, place, expected=None, found=None):
        """A fault of POINTERS or STREAM; no fault where an event that could not be read may be what is named."""
        self.report.set(code, "undecided" if self.lost else "failed", detail, *place, expected, found)

    def judge_ledger(self, event, hash_, seq):
        if seq == 0:
            self.ledger = self.report.ledger = hash_
            if self.header and self.header["ledger"] != hash_ and self.header["ledger"] != self.given:
                self.report.fail("LEDGER", "the first line names another ledger", None, 1, hash_, self.header["ledger"])
            if hash_ != self.given:
                self.report.fail("LEDGER", "this is another ledger", 0, self.number, self.given, hash_)
        elif self.ledger and event["ledger"] != self.ledger:
            self.report.fail("LEDGER", "the event is of another ledger", seq, self.number, self.ledger, event["ledger"])

    def judge(self, entry, event, hash_, seq):
        report, state, place = self.report, self.state, (seq, self.number)
        case, subject, type_ = event.get("case"), event["subject"], event["subject"].split("/")[0]
        stream = (case, subject)
        # POINTERS
        pointers = {"governance": self.governance, "stream": self.heads.get(stream, (None,))[0],
                    "case": None if case is None else self.heads.get((case, f"case/{case}"), (None,))[0]}
        for name, wanted in pointers.items():
            found = entry[name]
            if found != wanted:
                later = found is None or found >= seq or wanted is not None and wanted > found
                doubt = self.lost or name == "stream" and not later and found not in self.shown
                report.set("POINTERS", "undecided" if doubt else "failed", f"{name} points elsewhere", *place, wanted, found)
        # STREAM
        head, after, named = self.heads.get(stream), event["after"], state.events.get(event["after"])
        strict = type_ in ("ledger", "case")
        if after is None:
            doubt, false = self.lost or self.hidden, head or self.hidden and entry["stream"] is not None
        else:
            known = entry["stream"] is None or strict and head and entry["stream"] == head[0]
            doubt = self.lost or self.hidden and not named and not known
            false = not head or not named or named[0] != stream or strict and after != head[1]
        if false or after is None and doubt:
            result = "failed" if after is None and false and not self.lost or not doubt else "undecided"
            report.set("STREAM", result, "after names no event that it may", *place, head and head[1], after)
        always = type_ in ("ledger", "party") or not self.hidden
        starts = False if head else True if after is None or always else None
        if (event["author"], event["id"]) in self.ids:
            report.fail("STREAM", "an id that this author used before", *place)
        self.ids.add((event["author"], event["id"]))
        # TIME
        at = event["occurred"]
        if "until" in event and entry["ms"] > millis(event["until"]):
            report.fail("TIME", "recorded after until", *place)
        if "from" in at and millis(at["from"]) > millis(at["to"]):
            report.fail("TIME", "from is after to", *place)
        times = [millis(at[m]) for m in ("at", "from", "to") if m in at] + [millis(d, DATE) for d in [at.get("date")] if d]
        if any(t > entry["ms"] + 2 * DAY for t in times):
            report.fail("TIME", "occurred more than 48 h after it was recorded", *place)
        # SIGNATURE
        new, message = dict(state.introduced(event)), pae(entry["payload"])
        for keyid, signature in entry["signatures"].items():
            public = state.publics.get(keyid) or new.get(keyid)
            if public and not signed(public, signature, message):
                report.fail("SIGNATURE", f"the signature by {keyid} is not valid", *place)
        # KEY, POLICY
        act = Act(self.hidden)
        fault = state.judge_keys(event, entry, act)
        if fault:
            report.fail("KEY", fault, *place)
        if act.doubtful:
            report.set("KEY", "undecided", "whether a key may correct an event that is not shown", *place)
        if act.hidden:
            report.set("POLICY", "undecided", "it corrects an event that is not shown", *place)
        for fault in state.judge_policy(event, entry, act, starts):
            report.fail("POLICY", fault, *place)
        for keyid in entry["signatures"]:
            if keyid in state.keys:
                state.keys[keyid].used.append((seq, entry["ms"]))
        if event["kind"] in BODIES:
            state.apply(event, seq, act)
        self.heads[stream] = (seq, hash_)
        state.events[hash_] = (stream, event["kind"], tuple(act.keys), act.quorum and act.governors > 0)
        if type_ in ("ledger", "party"):
            self.governance = seq

    def log_key(self, size):
        """The log key in force at a size."""
        return next((key for seq, key in reversed(self.state.log_keys) if seq < size), None)

    def end(self):
        self.finish()
        report = self.report
        if self.note is None:
            why = "the checkpoint could not be read"
            for code in ("TREE", "CHECKPOINT", "CONSISTENT"):
                report.set(code, "undecided", why)
        else:
            if self.torn:
                report.set("TREE", "undecided", "a leaf is withheld")
            elif self.tree.size != self.note.size:
                report.fail("FORMAT", f"{self.tree.size} leaves of {self.note.size}")
            if self.tree.root() != self.note.root and not self.torn:
                report.fail("TREE", "the root is another", None, None, self.note.root.hex(), self.tree.root().hex())
            key = self.log_key(self.note.size)
            if key is None:
                report.set("CHECKPOINT", "undecided", "no log key could be read")
            elif self.hidden and self.note.size - 1 not in self.shown and (
                    self.note.by(key) or self.note.origin == key.name and not self.note.named(key)):
                report.set("CHECKPOINT", "undecided", "the last leaf is not shown: a later log key may be withheld")
            elif not self.note.by(key) and self.stopped:
                report.set("CHECKPOINT", "undecided", "the log key may have been rotated where this could not read")
            elif not self.note.by(key):
                report.fail("CHECKPOINT", f"not signed by {key.name} with the key in force")
            judge_trust(report, self.note, self.trust)
        if self.trust is None:
            report.set("WITNESS", "not_applicable", "no trust file was given")
        elif self.note is None:
            report.set("WITNESS", "undecided", "the checkpoint could not be read")
        if self.previous is None:
            report.checks["CONSISTENT"].update(result="not_applicable", detail="no earlier checkpoint was given")
        elif self.note:
            key = self.log_key(self.previous.size)
            if self.previous.size > self.note.size:
                report.fail("CONSISTENT", f"rollback: {self.previous.size} entries then, {self.note.size} now")
            elif key is None or not self.previous.by(key):
                report.fail("CONSISTENT", "the earlier checkpoint is not signed by the log key in force then")
            elif self.root_then is None and self.previous.size:
                report.set("CONSISTENT", "undecided", "not every leaf is there")
            elif (self.root_then or sha()) != self.previous.root:
                report.fail("CONSISTENT", "fork: the earlier checkpoint is of another history")
        judge_evidence(report, self.evidence, self.hidden)
        self.end_of_seals()
        if self.hidden:
            report.set("STREAM", "undecided", "ids in withheld entries are not seen")
        for keyid, key in self.state.keys.items():
            if key.revoked and key.revoked[2] is not None:
                report.suspect += [{"seq": seq, "keyid": keyid, "party": key.party, "revocation": key.revoked[0],
                                    "revoked_by": key.revoked[1], "suspect_from": key.revoked[2]}
                                   for seq, ms in key.used if ms >= millis(key.revoked[2])]
        report.suspect.sort(key=lambda s: (s["seq"], s["keyid"]))
        report.conclude()

    def end_of_seals(self):
        """SEAL of the whole: in an extract a line must be of all that the label names."""
        scope = self.header["scope"] if self.header and isinstance(self.header["scope"], dict) else {}
        covering = [s["seq"] for s in self.report.sealed
                    if "case" in scope and s["case"] == scope["case"] and s["subject"] in (None, scope.get("subject"))]
        if self.hidden and not covering:
            self.report.set("SEAL", "undecided", "no seal shows that nothing of the label is left out")
        elif not self.hidden and not self.sealing:
            self.report.set("SEAL", "not_applicable", "no seal is shown")
        self.report.sealed_before = max(covering, default=None) if self.report.checks["SEAL"]["result"] == "ok" else None


def judge_evidence(report, evidence, hidden=False):
    missing = [file for file, found in evidence.items() if not found]
    if missing and hidden:
        report.set("EVIDENCE", "undecided", "an entry that is not shown may name the file")
    elif missing:
        report.fail("EVIDENCE", f"a file with SHA-256 {missing[0][0]} of {missing[0][1]} bytes is named nowhere")
    elif not evidence:
        report.set("EVIDENCE", "not_applicable", "no evidence file was given")


def judge_trust(report, note, trust):
    """CHECKPOINT, as far as the trust file goes, and WITNESS."""
    if trust is None:
        return
    if trust.logs and not any(note.by(key) for key in trust.logs):
        report.fail("CHECKPOINT", "not signed by a log of the trust file")
    times = {name: note.cosigned(key) for name, key in trust.witnesses.items()}
    seen = [name for name, time in times.items() if time not in (None, False)]
    if trust.quorum == "none":
        report.set("WITNESS", "not_applicable", "the trust file asks for no witness")
    elif any(time is False for time in times.values()):
        report.fail("WITNESS", "a cosignature is not valid")
    elif not trust.holds(trust.quorum, set(seen)):
        report.fail("WITNESS", "cosigned by " + (", ".join(sorted(seen)) or "none of the witnesses") + ", short of the quorum")


class Receipt:
    """§11: one entry, the proof that it is in a tree, and its disclosures."""

    def __init__(self, data, ledger, trust):
        self.report, self.index, self.leaf, self.note = Report(), None, None, None
        report = self.report
        for code in ("LEDGER", "CHAIN", "SIGNATURE", "KEY", "POLICY", "STREAM", "POINTERS", "SEAL", "TIME"):
            report.set(code, "undecided", "a receipt alone does not decide it; give the bundle too")
        self.event = None
        try:
            need(len(data) <= 1 << 20, "a receipt of more than 1 MiB")
            receipt = parse(data[:-1] if data.endswith(b"\n") else data)
            string = lambda v: need(isinstance(v, str), "not a text")
            record({"entry": string, "proof": string, "disclosures": array(string)})(receipt)
            line, proof = receipt["entry"].encode(), receipt["proof"]
            need(len(proof.encode()) <= 320 << 10, "a proof of more than 320 KiB")
            head, blank, note = proof.partition("\n\n")
            form_of_head = r"c2sp\.org/tlog-proof@v1\n(?:extra ([^\n]*)\n)?index (0|[1-9][0-9]{0,15})((?:\n[^\n]+)*)"
            match = re.fullmatch(form_of_head, head)
            need(blank and match, "not a tlog-proof")
            b64(match[1] or "")
            hashes = [b64(h, 32) for h in match[3].split("\n")[1:]]
            need(len(hashes) <= 64, "more than 64 hashes")
            self.index, self.leaf, self.note = int(match[2]), sha(b"\0", line), Note(note)
            report.size = self.note.size
            root = proven_root(self.leaf, self.index, self.note.size, hashes) if self.index < self.note.size else None
            if root != self.note.root:
                report.fail("TREE", "the proof leads elsewhere", self.index)
            report.shown = 1
            entry = read_entry(line)
            if entry["seq"] != self.index:
                report.fail("FORMAT", "seq is not the index", self.index, None, self.index, entry["seq"])
            self.event = read_event(entry["payload"], entry["seq"])
        except Malformed as e:
            report.fail("FORMAT", str(e))
        except Newer as e:
            report.newer = True
            report.set("FORMAT", "undecided", str(e))
        if self.note is None:
            report.set("TREE", "undecided", "the proof could not be read")
        if self.event:
            if self.event.get("ledger", ledger) != ledger:
                report.fail("LEDGER", "the entry is of another ledger", self.index, None, ledger, self.event["ledger"])
            report.ledger = self.event.get("ledger")
            try:
                report.undisclosed = undisclosed(self.event, [(d, None) for d in receipt["disclosures"]])
            except Malformed as e:
                report.fail("DISCLOSURE", str(e), self.index)
        if trust is None:
            report.set("WITNESS", "not_applicable", "no trust file was given")
        elif self.note:
            judge_trust(report, self.note, trust)
            oldest = trust.oldest(self.note)
            if self.event and oldest is not None and entry["ms"] > oldest * 1000 + 300_000:
                report.fail("TIME", "later than a cosignature", self.index)
        if self.note is None or trust is None or not trust.logs:
            report.set("CHECKPOINT", "undecided", "no trust file names the log")
        report.set("CONSISTENT", "not_applicable", "no bundle was given")


def check_bundle(o):
    return Bundle(o.file, o.ledger, o.trust, o.previous, o.evidence).report


def check_receipt(o):
    """With a bundle that is consistent with it, everything is decided: by the bundle, where the receipt says nothing."""
    data = whole_file(o.file, 1 << 22, lambda data: data)
    receipt = Receipt(data, o.ledger, o.trust)
    own = receipt.report
    if o.bundle and receipt.note:
        theirs = Bundle(o.bundle, o.ledger, o.trust, receipt.note, (), receipt).report
        for code, check in theirs.checks.items():
            if own.checks[code]["result"] == "undecided" or check["result"] == "failed":
                own.checks[code] = check
        own.checks["CONSISTENT"] = theirs.checks["CONSISTENT"]
        # what the bundle's witnesses saw holds the receipt's tree: it needs no cosignatures of its own
        wrong = o.trust and any(receipt.note.cosigned(key) is False for key in o.trust.witnesses.values())
        if theirs.checks["CONSISTENT"]["result"] == "ok" and not wrong:
            own.checks["WITNESS"] = theirs.checks["WITNESS"]
        for member in ("ledger", "size", "shown", "undisclosed", "suspect", "sealed", "sealed_before", "extract"):
            setattr(own, member, getattr(theirs, member))
        own.newer = own.newer or theirs.newer
    named = [(e["sha256"], e["size"]) for e in (receipt.event or {}).get("evidence", ())]
    judge_evidence(own, {file: file in named for file in o.evidence})
    return own.conclude()


# --- command line -------------------------------------------------------------------------------------------------------
def prepare(o):
    """Reads what is given to check against."""
    def file_facts(path):
        h, size = hashlib.sha256(), 0
        try:
            with open(path, "rb") as file:
                for block in iter(lambda: file.read(1 << 16), b""):
                    h.update(block)
                    size += len(block)
        except OSError as e:
            raise NotChecked(str(e)) from None
        return h.hexdigest(), size

    if not matches(HASH, o.ledger):
        raise NotChecked("give the ledger id, 64 lower-case hex digits from a source that you trust, with --ledger")
    o.trust = whole_file(o.trust, MAX_LINE, Trust) if o.trust else None
    o.previous = whole_file(o.previous, MAX_NOTE, lambda d: Note(d.decode())) if o.previous else None
    o.evidence = [file_facts(path) for path in o.evidence or ()]


def run(o):
    """The report on what the command line asks for."""
    try:
        prepare(o)
        return {"bundle": check_bundle, "receipt": check_receipt}[o.command](o)
    except NotChecked as e:
        report = Report()
        report.newer = True
        for code in CODES:
            report.set(code, "undecided", str(e))
        return report.conclude()


def escaped(value):
    """Text from entries, with control and bidirectional characters escaped."""
    return re.sub("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]", lambda m: f"\\u{ord(m[0]):04x}", str(value))


def show(report):
    witnessed = report.checks["WITNESS"]["result"] == "ok"
    seal = report.sealed_before
    print(f"verdict: {report.verdict}" + ("" if witnessed else "; not compared with what others are shown")
          + (f"; all of what the label names before entry {seal} is shown" if seal else "")
          + ("; later corrections, disputes and revocations may be withheld" if report.extract else "")
          + (f" after entry {seal}" if seal else ""))
    if report.ledger:
        print(f"ledger {report.ledger}, {report.shown} entries shown of {report.size}, {report.undisclosed} values undisclosed")
    for check in report.checks.values():
        places = [f"{name} {check[name]}" for name in ("seq", "line", "expected", "found") if check[name] is not None]
        print(f"  {check['result']:<15} {check['code']:<11}" + escaped("; ".join(filter(None, [check["detail"]] + places))))
    for s in report.suspect:
        print(f"  suspect: entry {s['seq']} by {s['party']}, key {s['keyid']}, revoked in entry {s['revocation']}")


def vectors(o):
    """Runs every vector of a folder, and compares with what its index expects."""
    wrong = 0
    with open(os.path.join(o.file, "index.json"), encoding="utf-8") as file:
        index = json.load(file)
    for vector in index:
        path = lambda name: os.path.join(o.file, name)
        one = argparse.Namespace(
            command=vector["command"], file=path(vector["file"]), ledger=vector["ledger"],
            evidence=[path(e) for e in vector.get("evidence") or ()],
            **{name: path(vector[name]) if vector.get(name) else None for name in ("trust", "previous", "bundle")})
        report, expect = run(one), vector["expect"]
        failed = {c["code"]: c["seq"] for c in report.checks.values() if c["result"] == "failed"}
        wanted = {f["code"]: f["seq"] for f in expect["failed"]}
        differs = [] if (report.verdict, report.status()) == (expect["verdict"], expect["exit"]) else [f"verdict {report.verdict}"]
        differs += [f"{c} did not fail" for c in wanted if c not in failed]
        differs += [f"{c} failed: {report.checks[c]}" for c in failed if c not in wanted and c not in expect.get("may_fail", ())]
        if expect["undecided"] is not None:
            found = {c["code"] for c in report.checks.values() if c["result"] == "undecided"}
            differs += [f"undecided {sorted(found)}"] if found != set(expect["undecided"]) else []
            differs += [f"sealed {report.sealed}"] if report.sealed != expect.get("sealed", []) else []
        differs += [f"{c} failed at {failed[c]}" for c in wanted if c in failed and wanted[c] not in ("any", failed[c])]
        if expect["verdict"] == "verified":
            differs += [f"suspect {report.suspect}"] if [s["seq"] for s in report.suspect] != expect["suspect"] else []
            differs += [f"undisclosed {report.undisclosed}"] if report.undisclosed != expect["undisclosed"] else []
        wrong += bool(differs)
        if o.json:
            print(json.dumps({"name": vector["name"], "exit": report.status(), "differs": differs, "report": report.json()}))
        for line in [] if o.json else differs:
            print(f"{vector['name']} ({vector['section']}): expected {expect['verdict']} {wanted}, found: {line}")
    print(f"{len(index) - wrong} of {len(index)} vectors as expected", file=sys.stderr)
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["bundle", "receipt", "vectors"])
    parser.add_argument("file", help="the bundle or receipt; for vectors the folder")
    parser.add_argument("--ledger", help="the ledger id, from a source that you trust")
    parser.add_argument("--trust", help="a C2SP tlog-policy: logs, witnesses, quorum")
    parser.add_argument("--previous", help="a checkpoint that you kept from before")
    parser.add_argument("--evidence", action="append", help="a file that entries name by hash; may be given again")
    parser.add_argument("--bundle", help="beside a receipt: a bundle of the same ledger")
    parser.add_argument("--json", action="store_true", help="print the object of SPEC §13")
    o = parser.parse_args()
    if o.command == "vectors":
        return vectors(o)
    report = run(o)
    if o.json:
        print(json.dumps(report.json(), separators=(",", ":")))
    elif report.verdict == "not_checked":
        print(f"error: {report.checks['FORMAT']['detail']}", file=sys.stderr)
    else:
        show(report)
    return report.status()


if __name__ == "__main__":
    sys.exit(main())
