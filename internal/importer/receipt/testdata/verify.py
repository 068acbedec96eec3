"""Verifies a signed receipt as docs/receipt.md describes it, independently of Lotse.

usage: verify.py RECEIPT PUBLIC_KEY.pem      (needs openssl 3)
Prints what is kept and removed, or why the receipt proves nothing.
"""
import base64, collections, hashlib, json, re, subprocess, sys, tempfile


def unique(pairs):
    if len(dict(pairs)) != len(pairs):
        sys.exit("a name twice")
    return dict(pairs)


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def decode(s):
    return base64.urlsafe_b64decode(s + "=" * (-len(s) % 4))


def digest(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def tree(leaves):
    if not leaves:
        return digest()
    if len(leaves) == 1:
        return digest(b"\0", leaves[0])
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return digest(b"\1", tree(leaves[:k]), tree(leaves[k:]))


doc = json.load(open(sys.argv[1], encoding="utf-8"), object_pairs_hook=unique)
counts = collections.Counter()
for entry in [doc["head"], *doc["items"]]:
    for name, commitment in entry["open"].get("commitments", {}).items():
        value = entry.get("values", {}).get(name)
        counts[("kept " if value else "removed ") + name] += 1
        if value and digest(decode(value["salt"]), canonical(value["value"])) != decode(commitment):
            sys.exit("a value has been changed: " + name)
proof = dict(doc["proof"])
signature = decode(proof.pop("signature"))
root = tree([canonical(i["open"]) for i in doc["items"]])
if decode(proof["items_root"]) != root or proof["items"] != len(doc["items"]):
    sys.exit("the items have been changed")
with tempfile.NamedTemporaryFile() as message, tempfile.NamedTemporaryFile() as sig:
    message.write(canonical({"format": doc["format"], "head": doc["head"]["open"], **proof}))
    sig.write(signature)
    message.flush(), sig.flush()
    done = subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", sys.argv[2], "-rawin", "-in", message.name,
                           "-sigfile", sig.name], capture_output=True, text=True)
if done.returncode != 0:
    sys.exit("the signature is wrong")
print("\n".join(f"{name} {n}" for name, n in sorted(counts.items())))
