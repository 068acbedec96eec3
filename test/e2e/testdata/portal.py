"""A small image portal with DICOM Link Exchange version 1 (DIN/TS 19455), written
independently of Lotse, for its end-to-end tests. Prints its port, then serves until
it is killed.

usage: portal.py EXAM.zip REPORT.pdf
"""
import json
import secrets
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

EXAM = open(sys.argv[1], "rb").read()
REPORT = open(sys.argv[2], "rb").read()

def question(qid, kind, fmt, **text):
    return {"questionId": qid, "questionType": kind, "answerFormat": fmt,
            "question": [{"language": lang, "text": t} for lang, t in text.items()]}

BIRTH = question("birth", "PAT_BIRTH_DATE", "DATE", de="Wie lautet das Geburtsdatum?", en="What is the birth date?")
TOKENS = {
    "BIRTH-1": ([BIRTH], {"birth": "19700101"}),
    "PASS-1": ([question(7, "PASSWORD", "STRING", de="Kennwort auf dem Brief")], {"7": "132-238-252"}),
    "CUSTOM-1": ([question("d", "CUSTOM", "DATE", de="Datum der Operation"),
                  question("s", "CUSTOM", "STRING", de="Straße, in der die Praxis liegt")],
                 {"d": "20240229", "s": "Königsallee"}),
    "EXPIRED-1": ([BIRTH], {"birth": "19700101"}),
    "SLOW-1": ([BIRTH], {"birth": "19700101"}),
    "CUT-1": ([BIRTH], {"birth": "19700101"}),
    "RENEW-1": ([BIRTH], {"birth": "19700101"}),
}
ITEMS = [
    {"id": 1, "mimeType": "application/octet-stream", "description": "Schädel", "studyInstanceUID": "1.2.3",
     "date": 20240419, "modalities": ["OT"], "patientsName": "Mustermann,Max", "patientsBirthdate": "1970-01-01",
     "patientsSex": "M", "fileCount": "3", "somethingNew": {"x": 1}},
    {"id": "b2", "mimeType": "application/pdf", "description": "Befund", "date": "2024-04-19"},
]
lock = threading.Lock()
jwts = {}
asked = {}

def first(key, times=1):
    """True for the first calls with key."""
    with lock:
        asked[key] = asked.get(key, 0) + 1
        return asked[key] <= times

class Portal(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, code, body=b"", kind="application/json", **headers):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for k, v in headers.items():
            self.send_header(k.replace("_", "-"), v)
        self.end_headers()
        self.wfile.write(body)

    def info(self):
        return {"dlxVersion": "v1", "vendorInformation": "independent",
                "apiBasePath": "http://%s/other/base/v1" % self.headers["Host"]}

    def questions(self, token):
        asked_for = TOKENS.get(token, ([BIRTH], None))[0]
        if len(asked_for) == 1:
            asked_for = asked_for[0]  # an object where an array belongs
        self.answer(200, {"apiInfo": [self.info()], "tfaQuestion": asked_for})

    def do_GET(self):
        url = urlsplit(self.path)
        parts = url.path.strip("/").split("/")
        if url.path == "/view":
            if "X-DICOM-LINK-EXCHANGE" not in self.headers:
                return self.answer(200, b"<html><body>Please log in</body></html>", "text/html")
            return self.questions(parse_qs(url.query).get("token", [""])[0])
        if url.path == "/plain":
            return self.answer(200, b"<html>an image portal without DLX</html>", "text/html")
        if parts[:3] != ["other", "base", "v1"]:
            return self.answer(404)
        call = parts[3:]
        if call[:1] == ["api_info"]:
            return self.answer(200, self.info())
        if call[:1] == ["token"]:
            return self.questions(call[1])
        token = jwts.get(self.headers.get("Authorization", "").removeprefix("Bearer "))
        if token is None:
            return self.answer(401)
        if call == ["list"]:
            return self.answer(200, {"dataItem": ITEMS})
        if call == ["downloadall"]:
            return self.download(token, EXAM)
        if call[:1] == ["download"]:
            data = {"1": EXAM, "b2": REPORT}.get(call[1])
            return self.answer(400) if data is None else self.download(token, data)
        self.answer(404)

    def download(self, token, data):
        if token == "SLOW-1" and first("slow", 2):
            return self.answer(503, {"timeOutInSeconds": "1"})
        start = 0
        rng = self.headers.get("Range", "")
        if rng.startswith("bytes="):
            start = int(rng[6:].rstrip("-"))
        if token == "RENEW-1" and start > 0 and first("renew"):
            jwts.clear()
            return self.answer(401)
        cut = token in ("CUT-1", "RENEW-1") and first("cut" + token)
        part = data[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", "application/pdf")  # wrong, as seen in the field
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", '"one"')
        if start:
            self.send_header("Content-Range", "bytes %d-%d/%d" % (start, len(data) - 1, len(data)))
        self.end_headers()
        self.wfile.write(part[:len(part) // 3] if cut else part)
        if cut:
            self.close_connection = True

    def do_POST(self):
        parts = urlsplit(self.path).path.strip("/").split("/")
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        if parts[:4] != ["other", "base", "v1", "tokentfa"]:
            return self.answer(404)
        token = parts[4]
        given = {str(a["questionId"]): a["answer"] for a in body["tfaAnswer"]}
        if token not in TOKENS or given != TOKENS[token][1]:
            return self.answer(401)
        if token == "EXPIRED-1":
            return self.answer(403)
        jwt = secrets.token_urlsafe(24)
        jwts[jwt] = token
        self.answer(200, jwt.encode(), "application/jwt")

server = ThreadingHTTPServer(("127.0.0.1", 0), Portal)
print(server.server_address[1], flush=True)
server.serve_forever()
