"""Decodes text with pydicom, to compare with.

Without arguments: reads JSON lines {"set", "kind", "raw"} (raw in hex) and answers one JSON line each: the
text, or null when pydicom warned or failed. With arguments: prints one JSON line {"file", "tag", "set", "kind",
"raw", "want"} for every text element of the files that is not plain ASCII.
"""
import json
import sys
import warnings

import pydicom
from pydicom.charset import convert_encodings, decode_bytes
from pydicom.valuerep import TEXT_VR_DELIMS, PersonName


def decode(charset, kind, raw):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            encodings = convert_encodings([term.strip() for term in charset.split("\\")])
            if kind == "PN":
                return "\\".join(str(PersonName(v, encodings).decode()) for v in raw.split(b"\\"))
            if kind == "LT":
                return decode_bytes(raw, encodings, TEXT_VR_DELIMS)
            return "\\".join(decode_bytes(v, encodings, TEXT_VR_DELIMS) for v in raw.split(b"\\"))
        except Exception:
            return None


def walk(dataset, charset):
    raw = dataset._dict
    if 0x00080005 in raw:
        value = raw[0x00080005].value
        charset = value.decode("ascii", "replace") if isinstance(value, bytes) else "\\".join(
            [value] if isinstance(value, str) else value or [""])
    for tag, element in list(raw.items()):
        vr, value = element.VR, element.value
        if vr is None:
            vr = pydicom.datadict.dictionary_VR(tag) if pydicom.datadict.dictionary_has_tag(tag) else "UN"
        if vr == "SQ":
            for item in dataset[tag].value:
                yield from walk(item, charset)
        elif vr in ("PN", "SH", "LO", "UC", "LT", "ST", "UT") and isinstance(value, bytes):
            if any(b >= 0x80 or b == 0x1B for b in value):
                kind = "PN" if vr == "PN" else "LT" if vr in ("LT", "ST", "UT") else "LO"
                yield tag, charset, kind, value


def main():
    for path in sys.argv[1:]:
        dataset = pydicom.dcmread(path, force=True)
        for tag, charset, kind, value in walk(dataset, ""):
            print(json.dumps({"file": path, "tag": str(tag), "set": charset, "kind": kind, "raw": value.hex(),
                              "want": decode(charset, kind, value)}))
    if len(sys.argv) == 1:
        for line in sys.stdin:
            case = json.loads(line)
            print(json.dumps(decode(case["set"], case["kind"], bytes.fromhex(case["raw"]))))


main()
