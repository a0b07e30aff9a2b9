"""The other side of the cross-check: canonical JSON and signatures by Debian's python3-canonicaljson and
python3-signedjson, hashes by hashlib, JSON by Python itself. The redaction table is written anew from the room version
pages. One question in JSON a line on stdin, one answer a line on stdout; bytes travel in base64.
"""

import base64
import hashlib
import json
import re
import sys

from canonicaljson import encode_canonical_json
from signedjson.key import decode_signing_key_base64, decode_verify_key_base64
from signedjson.sign import sign_json, verify_signed_json
from unpaddedbase64 import encode_base64

MAX_INT = 2**53 - 1


def refuse(text):
    raise ValueError("refused: " + text)


def strict_integer(text):
    number = int(text)
    return number if abs(number) <= MAX_INT else refuse(text)


def strict_float(text):
    """Integers with an exponent are integers; whatever has a decimal point or a negative exponent is not."""
    match = re.fullmatch(r"(-?\d+)[eE]\+?(-?0*)(\d*)", text)
    if not match or "-" in match[2] and match[3]:
        return refuse(text)
    if int(match[1]) == 0:
        return 0
    if len(match[3]) > 3:
        return refuse(text)
    return strict_integer(str(int(match[1]) * 10 ** int(match[3] or "0")))


def unique(pairs):
    members = dict(pairs)
    return members if len(members) == len(pairs) else refuse("duplicate key")


def read(raw, strict):
    hooks = {"parse_int": strict_integer, "parse_float": strict_float} if strict else {}
    return json.loads(raw.decode("utf-8"), object_pairs_hook=unique, parse_constant=refuse, **hooks)


TOP = "event_id type room_id sender state_key content hashes signatures depth prev_events auth_events origin_server_ts"
POWER_LEVELS = "ban events events_default kick redact state_default users users_default"


def redact(event, version):
    """Room version pages, "Redactions"."""
    keep = set(TOP.split())
    if version < 11:
        keep |= {"prev_state", "origin", "membership"}
    content = {
        "m.room.member": "membership" + (" join_authorised_via_users_server" if version >= 9 else ""),
        "m.room.create": "creator",
        "m.room.join_rules": "join_rule" + (" allow" if version >= 8 else ""),
        "m.room.power_levels": POWER_LEVELS + (" invite" if version >= 11 else ""),
        "m.room.aliases": "aliases" if version < 6 else "",
        "m.room.history_visibility": "history_visibility",
        "m.room.redaction": "redacts" if version >= 11 else "",
    }.get(event["type"], "")
    out = {key: value for key, value in event.items() if key in keep}
    if version >= 11 and event["type"] == "m.room.create":
        return out
    out["content"] = {key: value for key, value in event["content"].items() if key in content.split()}
    invite = event["content"].get("third_party_invite")
    if version >= 11 and event["type"] == "m.room.member" and isinstance(invite, dict):
        out["content"]["third_party_invite"] = {key: value for key, value in invite.items() if key == "signed"}
    return out


def without(members, *keys):
    return {key: value for key, value in members.items() if key not in keys}


def sha256(members):
    return hashlib.sha256(encode_canonical_json(members)).digest()


def canonical(q):
    return {"out": encode_canonical_json(read(q["raw"], q["strict"]))}


def sign(q):
    key = decode_signing_key_base64("ed25519", q["key_version"], q["seed"])
    return {"out": encode_canonical_json(sign_json(read(q["raw"], True), q["server"], key))}


def verify(q):
    key = decode_verify_key_base64("ed25519", q["key_version"], q["public"])
    verify_signed_json(read(q["raw"], True), q["server"], key)
    return {}


def event_facts(event, version):
    redacted = redact(without(event, "unsigned"), version)
    return {
        "redacted": encode_canonical_json(redacted),
        "content_hash": encode_base64(sha256(without(event, "unsigned", "signatures", "hashes"))),
        "reference_hash": encode_base64(sha256(without(redacted, "signatures")), urlsafe=version >= 4),
    }


def make_event(q):
    """Server-server API, "Adding hashes and signatures to outgoing events"."""
    event, version = read(q["raw"], q["strict"]), int(q["room_version"])
    event["hashes"] = {"sha256": event_facts(event, version)["content_hash"]}
    key = decode_signing_key_base64("ed25519", q["key_version"], q["seed"])
    event["signatures"] = sign_json(redact(event, version), q["server"], key)["signatures"]
    return {"out": json.dumps(event, ensure_ascii=False).encode("utf-8"), **event_facts(event, version)}


def check_event(q):
    """Server-server API, "Validating hashes and signatures on received events"."""
    event, version = read(q["raw"], q["strict"]), int(q["room_version"])
    facts = event_facts(event, version)
    if event["hashes"]["sha256"] != facts["content_hash"]:
        refuse("content hash")
    key = decode_verify_key_base64("ed25519", q["key_version"], q["public"])
    verify_signed_json(redact(event, version), q["server"], key)
    return {"out": encode_canonical_json(event), **facts}


ANSWERS = {f.__name__: f for f in (canonical, sign, verify, make_event, check_event)}

for line in sys.stdin:
    question = json.loads(line)
    question["raw"] = base64.b64decode(question["raw"])
    try:
        answer = ANSWERS[question["ask"]](question)
    except Exception as e:  # whatever the packages raise is their refusal; Go judges it
        answer = {"refusal": f"{type(e).__name__}: {e}"}
    for name, value in answer.items():
        if isinstance(value, bytes):
            answer[name] = base64.b64encode(value).decode()
    print(json.dumps(answer), flush=True)
