package e2e

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/minio/minio-go/v7"

	"lotse/dicom"
	"lotse/internal/demo"
	"lotse/internal/synth"
	"lotse/test/peer"
)

// needle is something that must not be found in the clear.
type needle struct{ what, text string }

// forms are the ways in which a text could stand somewhere.
func (n needle) forms() map[string][]byte {
	all := map[string][]byte{"UTF-8": []byte(n.text)}
	latin, ok := []byte{}, true
	for _, r := range n.text {
		ok = ok && r < 256
		latin = append(latin, byte(r))
	}
	if ok {
		all["Latin 1"] = latin
	}
	var little, big []byte
	for _, u := range utf16.Encode([]rune(n.text)) {
		little, big = append(little, byte(u), byte(u>>8)), append(big, byte(u>>8), byte(u))
	}
	all["UTF-16LE"], all["UTF-16BE"] = little, big
	all["hex"], all["HEX"] = []byte(hex.EncodeToString([]byte(n.text))), []byte(strings.ToUpper(hex.EncodeToString([]byte(n.text))))
	for shift := range 3 { // base64 of a longer text that has it at any place
		code := base64.StdEncoding.EncodeToString(append(make([]byte, shift), n.text...))
		code = code[(shift*8+5)/6 : len(n.text+"")*8/6+shift*8/6-1]
		if len(code) >= 8 {
			all["base64+"+strconv.Itoa(shift)] = []byte(code)
			all["base64url+"+strconv.Itoa(shift)] = []byte(strings.NewReplacer("+", "-", "/", "_").Replace(code))
		}
	}
	return all
}

// haystack is where needles are looked for.
type haystack map[string][]byte

// folder adds all files below a folder, and their names.
func (h haystack) folder(t *testing.T, dir string) {
	t.Helper()
	var names strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		names.WriteString(path + "\n")
		raw, err := os.ReadFile(path)
		h[strings.TrimPrefix(path, dir)] = raw
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	h["names of files"] = []byte(names.String())
}

// has reports whether a text is anywhere but in the log and in names of files.
func (h haystack) has(text string) bool {
	for place, content := range h {
		if place != "the log" && place != "names of files" && bytes.Contains(content, []byte(text)) {
			return true
		}
	}
	return false
}

func (h haystack) search(t *testing.T, when string, needles []needle) {
	t.Helper()
	for place, content := range h {
		for _, n := range needles {
			for form, text := range n.forms() {
				if at := bytes.Index(content, text); at >= 0 {
					t.Errorf("%s, in %s: %s, as %s: …%q…", when, place, n.what, form, content[max(0, at-60):min(len(content), at+60)])
				}
			}
		}
	}
}

// TestNeedles makes sure that the search finds what it looks for.
func TestNeedles(t *testing.T) {
	n := needle{"a name", "Käferstein^Ilse"}
	for form, text := range map[string]string{
		"UTF-8": "x Käferstein^Ilse", "Latin 1": "x K\xe4ferstein^Ilse",
		"hex": hex.EncodeToString([]byte("AKäferstein^IlseB")), "base64": base64.StdEncoding.EncodeToString([]byte("A\"Käferstein^Ilse\"B")),
		"base64 elsewhere": base64.StdEncoding.EncodeToString([]byte("Käferstein^Ilse")), "base64url": base64.URLEncoding.EncodeToString([]byte("12Käferstein^Ilse34")),
	} {
		found := false
		for _, pattern := range n.forms() {
			found = found || strings.Contains(text, string(pattern))
		}
		if !found {
			t.Errorf("not found as %s", form)
		}
	}
}

// request asks the API by hand and returns what it says.
func (s *server) request(method, path string, header map[string]string, body []byte) (*http.Response, []byte) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url()+"/api/v1"+path, bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.tokens.For(method, path))
	req.Header.Set("Content-Type", "application/json")
	for name, value := range header {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp, raw
}

// create begins an import, with a key that makes it idempotent.
func (s *server) create(body any) string {
	s.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, answer := s.request(http.MethodPost, "/imports", map[string]string{"Idempotency-Key": fmt.Sprintf("key-%p", &raw)}, raw)
	var one imported
	if err := json.Unmarshal(answer, &one); err != nil || resp.StatusCode != http.StatusCreated {
		s.t.Fatalf("create: %d %s", resp.StatusCode, answer)
	}
	return one.ID
}

// until waits for a state and returns the import as JSON.
func (s *server) until(id, state string) (string, map[string]any) {
	s.t.Helper()
	var etag string
	var found map[string]any
	peer.Await(s.t, patience, "the import to be "+state, func() bool {
		resp, raw := s.request(http.MethodGet, "/imports/"+id, nil, nil)
		found = nil
		if err := json.Unmarshal(raw, &found); err != nil {
			s.t.Fatalf("%d %s", resp.StatusCode, raw)
		}
		etag = resp.Header.Get("ETag")
		return found["state"] == state
	})
	return etag, found
}

// patientSlice is a slice of a recognisable patient, and what to recognise.
func patientSlice(t *testing.T, seed uint64, name, id string) ([]byte, []needle) {
	t.Helper()
	raw, err := synth.Slice(synth.SliceOptions{Seed: seed, Elements: []dicom.Element{
		dicom.NewBytes(0x00100010, dicom.PN, []byte(name)), dicom.NewBytes(0x00100020, dicom.LO, []byte(id)),
		dicom.NewBytes(0x00100030, dicom.DA, []byte("19551224")),
	}})
	if err != nil {
		t.Fatal(err)
	}
	rd, err := dicom.NewReader(bytes.NewReader(raw), -1, dicom.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	head, _, err := rd.Head()
	if err != nil {
		t.Fatal(err)
	}
	needles := []needle{{"a name", name}, {"a patient id", id}, {"a birth date", "19551224"}}
	for what, tag := range map[string]dicom.Tag{"a study UID": 0x0020000D, "an instance UID": 0x00080018, "a series UID": 0x0020000E} {
		needles = append(needles, needle{what, head.String(tag)})
	}
	return raw, needles
}

// TestNothingLeaks takes imports by link, upload and C-STORE through a server that logs
// all it can, and looks for what is personal or secret in everything that it writes.
func TestNothingLeaks(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) { nothingLeaks(t, peer.Database{}, nil) })
	t.Run("PostgreSQL", func(t *testing.T) { nothingLeaks(t, peer.Postgres(t), nil) })
	t.Run("S3", func(t *testing.T) {
		server := peer.VersityGW(t)
		nothingLeaks(t, peer.Database{}, &buckets{server, server.Bucket(t), server.Bucket(t)})
	})
}

// buckets are where a server keeps segments and keys.
type buckets struct {
	*peer.S3Peer
	blobs, keys string
}

// environ lets a server use them.
func (b *buckets) environ() []string {
	var env []string
	for key, name := range map[string]string{"BLOBS": b.blobs, "KEYRING": b.keys} {
		at := "LOTSE_" + key + "_S3_"
		env = append(env, at+"ENDPOINT="+strings.TrimPrefix(b.Endpoint(), "http://"), at+"INSECURE=true", at+"BUCKET="+name, at+"REGION="+b.Region,
			at+"ACCESS_KEY="+b.AccessKey, at+"SECRET_KEY="+b.SecretKey)
	}
	return env
}

// objects adds all objects of a bucket with what is said of them, and their names.
func (h haystack) objects(t *testing.T, b *buckets, bucket string) int {
	t.Helper()
	var names strings.Builder
	n := 0
	for o := range b.Client().ListObjectsIter(t.Context(), bucket, minio.ListObjectsOptions{Recursive: true, WithMetadata: true}) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		fmt.Fprintln(&names, o.Key, o.UserMetadata, o.UserTags)
		object, err := b.Client().GetObject(t.Context(), bucket, o.Key, minio.GetObjectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(object)
		_ = object.Close()
		if minio.ToErrorResponse(err).Code == minio.NoSuchKey { // purged meanwhile
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		h[bucket+"/"+o.Key] = raw
		n++
	}
	h["names in "+bucket] = []byte(names.String())
	return n
}

func nothingLeaks(t *testing.T, database peer.Database, s3 *buckets) {
	exam, err := synth.DemoExam(3)
	if err != nil {
		t.Fatal(err)
	}
	portal, err := demo.StartPortal(demo.Exam{ZIP: exam.ZIP, BirthDate: exam.BirthDate, Description: exam.Description, PatientName: exam.PatientName, Modalities: exam.Modalities})
	if err != nil {
		t.Fatal(err)
	}
	defer portal.Close()
	token := portal.Link[strings.LastIndexAny(portal.Link, "/=")+1:]
	host := strings.Split(strings.SplitN(portal.Link, "://", 2)[1], "/")[0]
	needles := []needle{{"the token of the link", token}, {"the patient's name", "Müßig"}, {"the patient's id", "R-20418"}, {"an answer", exam.BirthDate},
		{"an answer", "1899-12-31"}, {"an answer", "18991231"}, {"a referrer", "Süßmilch"}, {"a password", "Zauberwort77"}, {"a file name", "Befund Käferstein"}, {"a local id", "LOKAL-4711"},
		{"a local name", "Ortsansässig^Ilse"}, {"a reason", "Geburtsdatum war vertauscht"}, {"a dead link's token", "GEHEIMESTOKEN99"}, {"another password", "Falsches88"}}

	s := &server{t: t, dir: t.TempDir(), port: peer.FreePort(t)}
	dicomPort, metrics := peer.FreePort(t), peer.FreePort(t)
	write(t, s.dir, "lotse.yaml", []byte("dicom:\n  callers:\n    - ae_title: CT1\n      addresses: [127.0.0.1]\n"))
	s.env = []string{"LOTSE_DATA_DIR=" + filepath.Join(s.dir, "data"), "LOTSE_LISTEN=127.0.0.1:" + strconv.Itoa(s.port), "LOTSE_LOG_LEVEL=debug",
		"LOTSE_PUBLIC_URL=http://127.0.0.1:" + strconv.Itoa(s.port), "LOTSE_DICOM_LISTEN=127.0.0.1:" + strconv.Itoa(dicomPort), "LOTSE_DICOM_QUIET=1s", "LOTSE_FOLDERS_ROOTS=" + s.dir,
		"LOTSE_METRICS_LISTEN=127.0.0.1:" + strconv.Itoa(metrics), "LANG=en_GB.UTF-8", "LC_ALL=",
		"LOTSE_OUTBOUND_ALLOW_HOSTS=" + host + ",localhost:1", "LOTSE_OUTBOUND_ALLOW_HTTP=" + host + ",localhost:1", "LOTSE_OUTBOUND_PORTALS=" + host}
	if database.DSN != "" {
		s.env = append(s.env, "LOTSE_DATABASE_URL="+database.DSN)
	}
	if s3 != nil {
		s.env = append(s.env, s3.environ()...)
	}
	s.startAndSetUp()
	needles = append(needles, needle{"a token of the API", s.tokens.Importer}, needle{"the administrator's token", s.tokens.Administrator},
		needle{"the auditor's token", s.tokens.Auditor})
	look := func(when string) {
		t.Helper()
		h := haystack{"the log": []byte(s.out.String())}
		h.folder(t, filepath.Join(s.dir, "data"))
		resp, err := http.Get("http://127.0.0.1:" + strconv.Itoa(metrics) + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if h["the metrics"], err = io.ReadAll(resp.Body); err != nil {
			t.Fatal(err)
		}
		if database.DSN != "" {
			h["the database"] = []byte(peer.Run(t, "/usr/lib/postgresql/15/bin/pg_dump", "--inserts", database.AdminDSN))
		}
		if s3 != nil {
			if n := h.objects(t, s3, s3.blobs) + h.objects(t, s3, s3.keys); n == 0 {
				t.Errorf("%s: there are no objects: this test cannot fail", when)
			}
		}
		h.search(t, when, needles)
		if control := s.imports()[0].ID; !h.has(control) {
			t.Errorf("%s: the id of an import is nowhere: this test cannot fail", when)
		}
	}

	var to struct{ ID string }
	s.post("/destinations", map[string]string{"name": "archive", "address": "dir:" + filepath.Join(s.dir, "archive")}, &to)

	// By link: a question, a wrong answer, a right one.
	link := s.create(map[string]any{"kind": "link", "link": portal.Link, "known": map[string]any{"birth_date": "1899-12-31", "password": "Falsches88"}})
	dead := s.create(map[string]any{"kind": "link", "link": "http://localhost:1/dlx/v1/token/GEHEIMESTOKEN99"})
	etag, view := s.until(link, "waiting")
	look("while a question is open")
	question := view["question"].(map[string]any)["questions"].([]any)[0].(map[string]any)["id"].(string)
	answer, err := json.Marshal(map[string]any{"answers": map[string]string{question: exam.BirthDate}, "birth_date": exam.BirthDate})
	if err != nil {
		t.Fatal(err)
	}
	if resp, raw := s.request(http.MethodPost, "/imports/"+link+"/answers", map[string]string{"If-Match": etag}, answer); resp.StatusCode >= 300 {
		t.Fatalf("answer: %d %s", resp.StatusCode, raw)
	}
	s.until(link, "review")

	// By upload: an encrypted archive with a telling name.
	raw, more := patientSlice(t, 77, "KAEFERSTEIN^ILSE", "PATID-998877")
	needles = append(needles, more...)
	upload := s.create(map[string]any{"kind": "upload", "files": 1})
	content := encrypted(t, "Befund Käferstein/IM1", raw, "Zauberwort77")
	resp, said := s.request(http.MethodPost, "/uploads", map[string]string{"Tus-Resumable": "1.0.0", "Upload-Length": strconv.Itoa(len(content)), "Content-Type": "application/offset+octet-stream",
		"Upload-Metadata": "import " + base64.StdEncoding.EncodeToString([]byte(upload)) + ",path " + base64.StdEncoding.EncodeToString([]byte("Befund Käferstein.zip"))}, content)
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("upload: %d %s", resp.StatusCode, said)
	}
	_, view = s.until(upload, "waiting")
	question = view["question"].(map[string]any)["questions"].([]any)[0].(map[string]any)["id"].(string)
	s.post("/imports/"+upload+"/answers", map[string]any{"answers": map[string]string{question: "Falsches88"}}, nil)
	_, _ = s.until(upload, "waiting")
	s.post("/imports/"+upload+"/answers", map[string]any{"answers": map[string]string{question: "Zauberwort77"}}, nil)

	// By C-STORE.
	raw, more = patientSlice(t, 78, "WIESENGRUND^OTTO", "PATID-665544")
	needles = append(needles, more...)
	peer.Run(t, "storescu", "-aet", "CT1", "-aec", "LOTSE", "127.0.0.1", strconv.Itoa(dicomPort), write(t, t.TempDir(), "IM1", raw))
	received := ""
	peer.Await(t, patience, "the received import", func() bool {
		for _, one := range s.imports() {
			if one.ID != link && one.ID != upload && one.ID != dead && one.State == "review" {
				received = one.ID
			}
		}
		return received != ""
	})
	etag, _ = s.until(upload, "review")
	s.request(http.MethodGet, "/imports/"+upload+"/inspection", nil, nil)

	// What is refused says nothing of what was asked with it.
	errors := haystack{}
	decision := map[string]any{"patient": map[string]string{"id": "LOKAL-4711", "name": "Ortsansässig^Ilse", "birth_date": "1901-01-01"}, "destinations": []string{to.ID}}
	body, err := json.Marshal(decision)
	if err != nil {
		t.Fatal(err)
	}
	resp, errors["a refused decision"] = s.request(http.MethodPost, "/imports/"+upload+"/decision", map[string]string{"If-Match": etag}, body)
	if resp.StatusCode < 400 {
		t.Errorf("a contradiction: %d", resp.StatusCode)
	}
	_, errors["a bad date"] = s.request(http.MethodPost, "/imports/"+link+"/answers", nil, []byte(`{"birth_date":"Zauberwort77"}`))
	_, errors["a bad link"] = s.request(http.MethodPost, "/imports", nil, []byte(`{"kind":"link","link":"GEHEIMESTOKEN99"}`))
	_, errors["a bad body"] = s.request(http.MethodPost, "/imports", nil, []byte(`{"kind":"link","known":{"password":["Zauberwort77"]}}`))
	_, errors["a bad filter"] = s.request(http.MethodGet, "/imports?state=GEHEIMESTOKEN99", nil, nil)
	errors.search(t, "what was refused", needles)

	decision["reason"] = "Geburtsdatum war vertauscht"
	if body, err = json.Marshal(decision); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{link, upload, received} {
		etag, _ := s.until(id, "review")
		if resp, raw := s.request(http.MethodPost, "/imports/"+id+"/decision", map[string]string{"If-Match": etag}, body); resp.StatusCode >= 300 {
			t.Fatalf("decision: %d %s", resp.StatusCode, raw)
		}
	}
	receipts := map[string]string{}
	for _, id := range []string{link, upload, received} {
		_, view := s.until(id, "delivered")
		receipts[id] = view["deliveries"].([]any)[0].(map[string]any)["id"].(string)
	}
	look("when everything is delivered")
	for _, id := range []string{link, upload, received, dead} {
		if resp, raw := s.request(http.MethodDelete, "/imports/"+id, map[string]string{"If-Match": "*"}, nil); resp.StatusCode >= 300 {
			t.Fatalf("delete: %d %s", resp.StatusCode, raw)
		}
		s.until(id, "purged")
	}
	look("when everything is purged")
	redacted := haystack{}
	for id, delivery := range receipts {
		_, redacted["the receipt of "+id] = s.request(http.MethodGet, "/imports/"+id+"/deliveries/"+delivery+"/receipt", nil, nil)
		_, redacted["the snapshot of "+id] = s.request(http.MethodGet, "/imports/"+id, nil, nil)
		_, redacted["the audit trail of "+id] = s.request(http.MethodGet, "/imports/"+id+"/audit", nil, nil)
	}
	redacted.search(t, "after the purge", needles)
	if s3 != nil {
		if n := (haystack{}).objects(t, s3, s3.blobs); n > 0 {
			t.Errorf("%d sealed segments are left", n)
		}
		return
	}
	if left := filesBelow(t, filepath.Join(s.dir, "data", "blobs")); len(left) > 0 {
		t.Errorf("sealed segments are left: %v", left)
	}
}

// write makes a file and returns its path.
func write(t *testing.T, dir, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// encrypted is a ZIP of one file with a password.
func encrypted(t *testing.T, name string, content []byte, password string) []byte {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, dir, name, content)
	in(t, dir, "zip", "-qr", "-P"+password, filepath.Join(dir, "out.zip"), filepath.Dir(name))
	raw, err := os.ReadFile(filepath.Join(dir, "out.zip"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw))); err != nil {
		t.Fatal(err)
	}
	return raw
}

// startAndSetUp starts the server and takes its one-time link.
func (s *server) startAndSetUp() {
	s.t.Helper()
	s.start()
	s.t.Cleanup(s.kill)
	s.setUp()
}
