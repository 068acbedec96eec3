"""Prints what pydicom reads: one JSON line for each file named on standard input.

A data set is a list of [tag, VR or null, value], value being a list of data sets (sequences), or [SHA-256 of the
bytes as they are in the file, their number, decoded text or null]. A file pydicom cannot read gives null.
"""
import hashlib
import json
import sys
import warnings

import pydicom
from pydicom.charset import convert_encodings, decode_bytes
from pydicom.dataelem import RawDataElement
from pydicom.valuerep import TEXT_VR_DELIMS, PersonName

warnings.simplefilter("ignore")
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
pydicom.config.replace_un_with_known_vr = False
TEXT = {"PN", "SH", "LO", "UC", "LT", "ST", "UT"}


def text(vr, value, encodings):
    try:
        if vr == "PN":
            return [str(PersonName(v, encodings).decode()) for v in value.split(b"\\")]
        parts = [value] if vr in ("LT", "ST", "UT") else value.split(b"\\")
        return [decode_bytes(v, encodings, TEXT_VR_DELIMS) for v in parts]
    except Exception:
        return None


def walk(dataset, encodings):
    own = dataset._dict.get(0x00080005)
    if own is not None:
        value = own.value
        terms = value.decode("ascii", "replace") if isinstance(value, bytes) else value or ""
        terms = terms if isinstance(terms, str) else "\\".join(terms)
        try:
            encodings = convert_encodings([t.strip(" \0") for t in terms.split("\\")])
        except Exception:
            pass
    out = []
    for tag, element in sorted(dataset._dict.items()):
        vr, value = element.VR, element.value
        known = vr or (pydicom.datadict.dictionary_VR(tag) if pydicom.datadict.dictionary_has_tag(tag) else "UN")
        if known == "SQ" or not isinstance(value, (bytes, type(None))):
            try:
                items = dataset[tag].value
                out.append([int(tag), vr, [walk(item, encodings) for item in items or []]])
            except Exception:
                out.append([int(tag), vr, None])
            continue
        value = value or b""
        decoded = text(known, value, encodings) if known in TEXT else None
        out.append([int(tag), vr, {"sum": hashlib.sha256(value).hexdigest(), "len": len(value), "text": decoded}])
    return out


for line in sys.stdin:
    try:
        dataset = pydicom.dcmread(line.rstrip("\n"), force=True)
        result = walk(dataset, ["iso8859"])
    except Exception as error:
        print(repr(error), line, file=sys.stderr)
        result = None
    print(json.dumps(result), flush=True)
