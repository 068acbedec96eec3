package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"lotse/internal/synth"
	"lotse/test/peer"
	"lotse/test/recorder"
	"lotse/test/torture/gateway"
)

// site is an installation on a machine of its own.
type site struct {
	t      *testing.T
	node   *gateway.Node
	client *gateway.Client
	dir    string
}

// newSite prepares an installation; shared is its database and buckets, or none.
func newSite(t *testing.T, shared bool) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir()}
	config := map[string]string{}
	if shared {
		config["DATABASE_URL"] = peer.Postgres(t).DSN
		s3 := peer.VersityGW(t)
		for _, what := range []string{"BLOBS", "KEYRING"} {
			for key, value := range map[string]string{"ENDPOINT": "127.0.0.1:" + strconv.Itoa(s3.Port), "BUCKET": s3.Bucket(t), "REGION": s3.Region,
				"ACCESS_KEY": s3.AccessKey, "SECRET_KEY": s3.SecretKey, "INSECURE": "true"} {
				config[what+"_S3_"+key] = value
			}
		}
	}
	var err error
	if s.node, err = gateway.NewNode(binary, s.dir, config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.node.Kill)
	return s
}

func (s *site) start() *site {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	if err := s.node.Start(ctx); err != nil {
		s.t.Fatalf("%v\n%s", err, s.node.Tail(2000))
	}
	return s
}

// setUp makes the administrator.
func (s *site) setUp() *site {
	s.t.Helper()
	client, err := gateway.Setup(s.t.Context(), []*gateway.Node{s.node})
	if err != nil {
		s.t.Fatal(err)
	}
	s.client = client
	s.t.Cleanup(s.client.Close)
	return s
}

// command runs lotse with the configuration of the site.
func (s *site) command(args ...string) run {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), binary, args...)
	cmd.Dir = s.dir
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "LOTSE_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "LANG=en_GB.UTF-8", "LC_ALL=", "LOTSE_DATA_DIR="+filepath.Join(s.dir, "data"))
	for key, value := range s.node.Config {
		cmd.Env = append(cmd.Env, "LOTSE_"+key+"="+value)
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return run{out: out.String(), err: errs.String(), code: cmd.ProcessState.ExitCode()}
}

// moveIn brings the master key of another site here, as its administrator would.
func (s *site) moveIn(from *site) *site {
	s.t.Helper()
	key, err := os.ReadFile(filepath.Join(from.dir, "data", "master.key"))
	if err != nil {
		s.t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(s.dir, "data"), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "data", "master.key"), key, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return s
}

func (s *site) create() string {
	s.t.Helper()
	id, err := s.client.Create(s.t.Context(), gateway.NewImport{Kind: "upload", Files: 1})
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

// uploaded brings an exam in until it waits for a decision.
func (s *site) uploaded(e *gateway.Exam) string {
	s.t.Helper()
	id := s.create()
	u := &gateway.Upload{Client: s.client, Import: id, Path: "exam.zip", Content: e.ZIP, Patch: 1 << 20}
	if err := u.Run(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	s.until(id, "review")
	return id
}

func (s *site) until(id, state string) *gateway.Import {
	s.t.Helper()
	var last *gateway.Import
	peer.Await(s.t, patience, "the import to be "+state, func() bool {
		im, err := s.client.Import(s.t.Context(), id)
		if err != nil {
			s.t.Fatal(err)
		}
		last = im
		if im.State == "failed" && state != "failed" {
			s.t.Fatalf("the import failed: %+v\n%s", im.Problem, s.node.Tail(3000))
		}
		return im.State == state
	})
	return last
}

func (s *site) deliver(id, destination string) {
	s.t.Helper()
	im := s.until(id, "review")
	if err := s.client.Decide(s.t.Context(), im, gateway.Decision{Destinations: []string{destination}}); err != nil {
		s.t.Fatal(err)
	}
	s.until(id, "delivered")
}

// half begins the upload of an exam and sends the first half; the rest is for later.
func (s *site) half(id string, content []byte) (upload string) {
	s.t.Helper()
	coded := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	a, err := s.client.Do(s.t.Context(), gateway.Request{Method: http.MethodPost, Path: "/api/v1/uploads", Header: map[string]string{
		"Tus-Resumable": "1.0.0", "Upload-Length": strconv.Itoa(len(content)), "Upload-Metadata": "import " + coded(id) + ",path " + coded("exam.zip")}})
	if err == nil {
		err = a.Expect(http.StatusCreated)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	upload = a.Header.Get("Location")
	upload = upload[strings.Index(upload, "/api/v1/"):]
	s.patch(upload, 0, content[:len(content)/2])
	return upload
}

func (s *site) patch(upload string, offset int, piece []byte) {
	s.t.Helper()
	a, err := s.client.Do(s.t.Context(), gateway.Request{Method: http.MethodPatch, Path: upload, Length: int64(len(piece)),
		Body: func() io.Reader { return bytes.NewReader(piece) }, Header: map[string]string{"Tus-Resumable": "1.0.0",
			"Content-Type": "application/offset+octet-stream", "Upload-Offset": strconv.Itoa(offset)}})
	if err == nil {
		err = a.Expect(http.StatusNoContent)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) status(method, path string) int {
	s.t.Helper()
	a, err := s.client.Do(s.t.Context(), gateway.Request{Method: method, Path: path, Header: map[string]string{"Tus-Resumable": "1.0.0"}})
	if err != nil {
		s.t.Fatal(err)
	}
	return a.Status
}

// has makes sure that an archive got every object of an exam as it was.
func has(t *testing.T, archive *recorder.Recorder, e *gateway.Exam) {
	t.Helper()
	seen := archive.Seen()
	for _, o := range e.Objects {
		if s, ok := seen[o.UID]; !ok || len(s.Times) != 1 || s.Times[o.Digest] == 0 {
			t.Errorf("the archive has not %s as it was, but %+v", o.UID, s)
		}
	}
}

func exam(t *testing.T, seed uint64) *gateway.Exam {
	t.Helper()
	e, err := gateway.NewExam(synth.CTOptions{Seed: seed, Slices: 8, Series: 2, Rows: 160, Columns: 160})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestBackupElsewhere backs an installation up while it serves, and restores it on
// another machine: what had come in goes on there to its end, byte for byte, and
// what was erased meanwhile stays erased.
func TestBackupElsewhere(t *testing.T) {
	for name, c := range map[string]struct{ from, to bool }{"sqlite": {false, false}, "postgresql and S3": {true, true}, "from sqlite to postgresql": {false, true}} {
		t.Run(name, func(t *testing.T) {
			archive, err := recorder.StartRecorder("ARCHIVE")
			if err != nil {
				t.Fatal(err)
			}
			defer archive.Close()
			old := newSite(t, c.from).start().setUp()
			destination, err := old.client.NewDestination(t.Context(), "archive", "dicom://ARCHIVE@"+archive.Addr)
			if err != nil {
				t.Fatal(err)
			}
			exams := []*gateway.Exam{exam(t, 1), exam(t, 2), exam(t, 3), exam(t, 4)}
			delivered, waiting, erased := old.uploaded(exams[0]), old.uploaded(exams[1]), old.uploaded(exams[2])
			old.deliver(delivered, destination)
			uploading := old.create()
			upload := old.half(uploading, exams[3].ZIP)

			dir, key := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "backup.key")
			meanwhile := old.busy()
			old.command("backup", dir, "--key-file", key).want(t, 0)
			old.command("backup", dir, "--key-file", key).want(t, 0) // into the same folder
			meanwhile()
			if status := old.status(http.MethodDelete, "/api/v1/imports/"+erased); status != http.StatusAccepted {
				t.Fatalf("delete: %d", status)
			}
			old.until(erased, "purged")
			keys := filepath.Join(t.TempDir(), "keys")
			old.command("keys", "backup", keys).want(t, 0)
			old.node.Kill()

			s := newSite(t, c.to)
			s.command("restore", dir, "--key-file", key, "--keyring", keys).want(t, 1) // there is no master key
			s.moveIn(old)
			s.command("restore", dir, "--key-file", key).want(t, 1) // there is no keyring
			s.command("restore", dir, "--key-file", key, "--keyring", keys, "--check").want(t, 0)
			out := s.command("restore", dir, "--key-file", key, "--keyring", keys).want(t, 0).out
			if !strings.Contains(out, "Erased since then, and therefore again: 1") {
				t.Error(out)
			}
			s.command("restore", dir, "--key-file", key, "--keyring", keys).want(t, 1) // it is not empty any more

			s.start()
			before := gateway.NewClient([]*gateway.Node{s.node}, old.client.Tokens())
			defer before.Close()
			a, err := before.Once(t.Context(), gateway.Request{Method: http.MethodGet, Path: "/api/v1/me"})
			if err != nil || a.Status != http.StatusUnauthorized {
				t.Errorf("the access of before: %+v, %v", a, err)
			}
			s.setUp()
			s.goesOn(archive, destination, exams, delivered, waiting, erased)
			im := s.until(uploading, "fetching")
			half := len(exams[3].ZIP) / 2
			if im.Received.Bytes != int64(half) {
				t.Errorf("%d bytes had been acknowledged, and %d are there", half, im.Received.Bytes)
			}
			s.patch(upload, half, exams[3].ZIP[half:])
			s.deliver(uploading, destination)
			has(t, archive, exams[3])
		})
	}
}

// goesOn looks at what had been delivered, what waits and what was erased.
func (s *site) goesOn(archive *recorder.Recorder, destination string, exams []*gateway.Exam, delivered, waiting, erased string) {
	s.t.Helper()
	s.deliver(waiting, destination)
	has(s.t, archive, exams[0])
	has(s.t, archive, exams[1])
	im := s.until(delivered, "delivered")
	if len(im.Deliveries) != 1 || s.status(http.MethodGet, "/api/v1/imports/"+delivered+"/deliveries/"+im.Deliveries[0].ID+"/receipt") != http.StatusOK {
		s.t.Errorf("its receipt: %+v", im.Deliveries)
	}
	s.until(erased, "purged")
	if status := s.status(http.MethodGet, "/api/v1/imports/"+erased+"/inspection"); status == http.StatusOK {
		s.t.Error("what was erased can be read")
	}
	if _, err := os.Stat(filepath.Join(s.dir, "data", "blobs", "main", erased)); err == nil {
		s.t.Error("segments of what was erased were restored")
	}
	seen := archive.Seen()
	for _, o := range exams[2].Objects {
		if _, ok := seen[o.UID]; ok {
			s.t.Error("what was erased was delivered")
		}
	}
	events, err := s.client.Audit(s.t.Context(), erased)
	if err != nil || len(events) == 0 || events[len(events)-1].Event != "import.purged" {
		s.t.Errorf("events of what was erased: %+v, %v", events, err)
	}
}

// busy lets exams come in until the function it returns is called.
func (s *site) busy() (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for seed := uint64(100); ctx.Err() == nil; seed++ {
			e, err := gateway.NewExam(synth.CTOptions{Seed: seed, Slices: 4, Series: 1, Rows: 64, Columns: 64})
			if err != nil {
				s.t.Error(err)
				return
			}
			id, err := s.client.Create(ctx, gateway.NewImport{Kind: "upload", Files: 1})
			if err == nil {
				err = (&gateway.Upload{Client: s.client, Import: id, Path: "exam.zip", Content: e.ZIP, Patch: 20 << 10}).Run(ctx)
			}
			if err != nil && ctx.Err() == nil {
				s.t.Errorf("meanwhile: %v", err)
				return
			}
		}
	}()
	return func() { cancel(); <-done }
}

// TestKeysAndTenants: keys are rotated and shown, tenants made and destroyed.
func TestKeysAndTenants(t *testing.T) {
	s := newSite(t, false).start().setUp()
	id := s.uploaded(exam(t, 1))
	s.command("tenant", "create", "north", "Klinik Nord").want(t, 0)
	s.command("tenant", "create", "north", "Klinik Nord").want(t, 2)
	s.command("tenant", "destroy", "north").want(t, 2)
	s.command("tenant", "destroy", "north", "--yes", "north").want(t, 0)
	s.command("tenant", "destroy", "nobody", "--yes", "nobody").want(t, 2)
	s.command("tenant", "create", "north", "Klinik Nord").want(t, 2)
	if out := s.command("tenant", "list").want(t, 0).out; !strings.Contains(out, "main") || !strings.Contains(out, "Klinik Nord") || !strings.Contains(out, "destroyed") {
		t.Error(out)
	}
	s.command("clock", "confirm").want(t, 0)
	next := filepath.Join(t.TempDir(), "next.key")
	refused := s.command("keys", "rotate", "--new-key-file", next).want(t, 1)
	if _, err := os.Stat(next); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(refused.err, "running") {
		t.Errorf("beside a running node: %v, %s", err, refused.err)
	}
	s.stop()
	s.command("keys", "rotate", "--new-key-file", next).want(t, 0)
	s.command("keys", "rotate", "--new-key-file", next).want(t, 0) // nothing is left to do
	if out := s.command("keys", "show").want(t, 0).out; !strings.Contains(out, "main  other-master") || !strings.Contains(out, "north  erased") {
		t.Error(out)
	}
	s.node.Config["MASTER_KEY_FILE"] = next
	if out := s.command("keys", "show").want(t, 0).out; !strings.Contains(out, "main  opens") {
		t.Error(out)
	}
	s.start()
	s.until(id, "review")
	if status := s.status(http.MethodGet, "/api/v1/imports/"+id+"/inspection"); status != http.StatusOK {
		t.Errorf("after the rotation: %d", status)
	}
}

// stop ends the node in order.
func (s *site) stop() {
	s.t.Helper()
	s.node.Stop()
	select {
	case <-s.node.Ended():
	case <-time.After(patience):
		s.t.Fatal("the node does not stop")
	}
}

// TestHalfARestoreServesNothing: the marker of an unfinished restore keeps a node
// from starting.
func TestHalfARestoreServesNothing(t *testing.T) {
	s := newSite(t, false).start()
	s.stop()
	mark := exec.Command("/usr/bin/python3", "-c", `import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("INSERT INTO installation (tenant_id, name, value) VALUES ('*', 'restore.unsettled', 'yes')")
db.commit()`, filepath.Join(s.dir, "data", "lotse.db"))
	if out, err := mark.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := s.node.Begin(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.node.Ended():
	case <-time.After(patience):
		t.Fatal("it serves")
	}
	if log := s.node.Tail(2000); !strings.Contains(log, "not finished") {
		t.Error(log)
	}
}
