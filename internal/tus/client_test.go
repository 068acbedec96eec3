package tus_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lotse/internal/tus"
)

// job is what testdata/client/upload.mjs is told to do.
type job struct {
	Endpoint  string `json:"endpoint"`
	Files     []file `json:"files"`
	ChunkSize int    `json:"chunkSize,omitempty"`
	Together  bool   `json:"together,omitempty"`
	Retries   int    `json:"retries,omitempty"`
	Terminate bool   `json:"terminate,omitempty"`
}

type file struct {
	Path string `json:"path"`
	Name string `json:"name"`
	Size int    `json:"size"`
	data []byte
}

type outcome struct {
	URL     string `json:"url"`
	Retries int    `json:"retries"`
	Error   string `json:"error"`
}

// client runs the reference client of the protocol.
func client(t *testing.T, j job) []outcome {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed")
	}
	if _, err := os.Stat("testdata/client/node_modules/tus-js-client"); err != nil {
		t.Skip("the reference client is not installed: run npm ci in internal/tus/testdata/client")
	}
	in, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), node, "upload.mjs")
	cmd.Dir = "testdata/client"
	cmd.Stdin = bytes.NewReader(in)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("client: %v\n%s", err, stderr.String())
	}
	var all []outcome
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		var o outcome
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		all = append(all, o)
	}
	if len(all) != len(j.Files) {
		t.Fatalf("%d outcomes\n%s", len(all), stderr.String())
	}
	return all
}

// files makes files of given sizes.
func files(t *testing.T, random *rand.Rand, sizes ...int) []file {
	t.Helper()
	var all []file
	for _, size := range sizes {
		f := file{Path: filepath.Join(t.TempDir(), "f"), Name: "Röntgen, 1.dcm", Size: size, data: noise(random, size)}
		if err := os.WriteFile(f.Path, f.data, 0o600); err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	return all
}

// arrived checks that what a client uploaded is here.
func (g *rig) arrived(url, name string, want []byte) {
	g.Helper()
	got, u := g.store.Content(url[strings.LastIndex(url, "/")+1:])
	if !bytes.Equal(got, want) || !u.Complete() || u.Metadata["filename"] != name {
		g.Errorf("%s: %d of %d bytes as %q", url, len(got), len(want), u.Metadata["filename"])
	}
}

func TestReferenceClient(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for name, change := range map[string]func(*job){ // it cannot send nothing with the creation
		"in one":             func(j *job) { j.Files = append(j.Files, files(t, random, 0)...) },
		"in pieces":          func(j *job) { j.ChunkSize = 100_000 },
		"with the creation":  func(j *job) { j.Together = true },
		"pieces, from there": func(j *job) { j.Together, j.ChunkSize = true, 70_000 },
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t)
			srv := httptest.NewServer(g.mux)
			defer srv.Close()
			j := job{Endpoint: srv.URL + "/up", Files: files(t, random, 1, 65_536, 999_999, 1<<20)}
			change(&j)
			for i, o := range client(t, j) {
				if o.Error != "" || o.Retries != 0 {
					t.Fatalf("%d bytes: %+v", j.Files[i].Size, o)
				}
				g.arrived(o.URL, j.Files[i].Name, j.Files[i].data)
			}
		})
	}
}

func TestReferenceClientResumes(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	g := newRig(t, func(o *tus.Options) { o.CommitBytes = 150_000; o.Stall = 5 * time.Second })
	srv := newCutting(t, g.mux, 400_000)
	j := job{Endpoint: srv.URL + "/up", Files: files(t, random, 1<<20, 1<<20, 900_000), Retries: 100}
	retries := 0
	for i, o := range client(t, j) {
		if o.Error != "" {
			t.Fatalf("%+v", o)
		}
		retries += o.Retries
		g.arrived(o.URL, j.Files[i].Name, j.Files[i].data)
	}
	if retries == 0 {
		t.Error("no connection was cut: this test cannot fail")
	}
}

func TestReferenceClientTerminates(t *testing.T) {
	g := newRig(t)
	srv := httptest.NewServer(http.Handler(g.mux))
	defer srv.Close()
	j := job{Endpoint: srv.URL + "/up", Files: files(t, rand.New(rand.NewPCG(7, 8)), 10), Terminate: true}
	if o := client(t, j)[0]; o.Error != "" {
		t.Fatal(o)
	}
	if left := g.store.IDs(); len(left) != 0 {
		t.Errorf("%v stay", left)
	}
}
