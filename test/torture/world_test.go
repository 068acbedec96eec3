package torture

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lotse/internal/synth"
	"lotse/test/peer"
	"lotse/test/recorder"
	"lotse/test/torture/gateway"
)

// ways an exam comes in.
const (
	byLink   = "link"
	byUpload = "upload"
	byDICOM  = "dicom"
)

// world is a gateway with all that is around it.
type world struct {
	t        testing.TB
	seed     uint64
	nodes    []*gateway.Node
	api      *gateway.Client
	portal   *portal
	archive  *recorder.Recorder
	to       string // id of the destination
	exams    atomic.Uint64
	trigger  atomic.Pointer[trigger]
	retries  atomic.Int64 // how often a person would have had to be impatient
	proven   atomic.Int64 // upload offsets that were compared with a promise
	draining atomic.Bool
	brim     bool // the disk is full for a while

	mu     sync.Mutex
	tasks  []*task
	ofID   map[string]*task
	kills  []kill
	pauses []kill
	faults []string
}

// task is an exam on its way through the gateway.
type task struct {
	way   string
	exam  *gateway.Exam
	id    string          // of the import, by link and upload
	acked map[string]bool // by C-STORE: the objects whose success was heard
	since time.Time
}

// adjusts reports whether the decision about the exam changes its objects.
func (k *task) adjusts() bool { return k.way != byDICOM && k.exam.Seed%2 == 0 }

// kill is the end of one node, or the beginning of its pause.
type kill struct {
	at   time.Time
	node int
}

// trigger is a kill that waits for a number of bytes or objects to pass.
type trigger struct {
	left atomic.Int64
	fire chan struct{}
}

// mark says that something is under way: a good moment for a kill.
func (w *world) mark() {
	if t := w.trigger.Load(); t != nil && t.left.Add(-1) == 0 {
		close(t.fire)
	}
}

// bytes is mark for bytes on their way, which take their time.
func (w *world) bytes() {
	w.mark()
	gateway.Wait(w.t.Context(), 2*time.Millisecond)
}

// fault notes what should not have been. The test goes on, to see what else is.
func (w *world) fault(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = append(w.faults, fmt.Sprintf(format, args...))
}

// folder is where the program is built; TestMain makes and removes it.
var folder string

// program builds the program once for all tests.
var program = sync.OnceValues(func() (string, error) { return gateway.Build(context.Background(), folder) })

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if folder, err = os.MkdirTemp("", "lotse-torture-"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(folder)
		return m.Run()
	}())
}

// newWorld starts nodes and what is around them. The engines are sqlite, one node
// with a disk, and postgres, two nodes with a bucket. more is further configuration; wrap may give another program to run.
func newWorld(t testing.TB, engine string, seed uint64, more map[string]string, wrap ...func(program string) string) *world {
	t.Helper()
	binary, err := program()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range wrap {
		binary = f(binary)
	}
	w := &world{t: t, seed: seed, portal: newPortal(t, seed), ofID: map[string]*task{}}
	w.portal.cut, w.portal.later, w.portal.onBytes = 10, 5, w.bytes
	if w.archive, err = recorder.StartRecorder("ARCHIVE"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.archive.Close)
	w.archive.OnObject(w.mark)
	w.archive.Pace(25 * time.Millisecond)
	config := map[string]string{"OUTBOUND_ALLOW_HOSTS": w.portal.host(), "OUTBOUND_ALLOW_HTTP": w.portal.host(), "OUTBOUND_PORTALS": w.portal.host(), "DICOM_QUIET": "4s"}
	maps.Copy(config, more)
	count, shared := 1, t.TempDir()
	if engine == "postgres" {
		count = 2
		shareEverything(t, config, shared)
	}
	for i := range count {
		n, err := gateway.NewNode(binary, filepath.Join(t.TempDir(), strconv.Itoa(i)), config)
		if err != nil {
			t.Fatal(err)
		}
		w.nodes = append(w.nodes, n)
		t.Cleanup(n.Kill)
		if err := n.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if w.api, err = gateway.Setup(t.Context(), w.nodes); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.api.Close)
	if w.to, err = w.api.NewDestination(t.Context(), "archive", "dicom://ARCHIVE@"+w.archive.Addr); err != nil {
		t.Fatal(err)
	}
	return w
}

// shareEverything puts database, segments and keys where several nodes reach them.
func shareEverything(t testing.TB, config map[string]string, folder string) {
	t.Helper()
	config["DATABASE_URL"] = peer.Postgres(t).DSN
	config["MASTER_KEY_FILE"] = filepath.Join(folder, "master.key")
	s3 := peer.VersityGW(t)
	for _, what := range []string{"BLOBS", "KEYRING"} {
		config[what+"_S3_ENDPOINT"] = "127.0.0.1:" + strconv.Itoa(s3.Port)
		config[what+"_S3_BUCKET"] = s3.Bucket(t)
		config[what+"_S3_REGION"] = s3.Region
		config[what+"_S3_ACCESS_KEY"] = s3.AccessKey
		config[what+"_S3_SECRET_KEY"] = s3.SecretKey
		config[what+"_S3_INSECURE"] = "true"
	}
}

// feed lets exams come in by one way, one after the other, until the draining
// begins or ctx ends. Each is followed to its end.
func (w *world) feed(ctx context.Context, way string) {
	for !w.draining.Load() && ctx.Err() == nil {
		k, err := w.newTask(way)
		if err == nil {
			err = w.bring(ctx, k)
		}
		if err != nil && ctx.Err() == nil {
			w.fault("%s: %v", way, err)
			return
		}
	}
}

func (w *world) newTask(way string) (*task, error) {
	n := w.exams.Add(1)
	o := synth.CTOptions{Seed: w.seed<<16 + n, Slices: 6 + int(n%7), Series: 2, Rows: 160, Columns: 160}
	if n%20 == 0 {
		o.Slices, o.Rows, o.Columns = 60, 512, 512
	}
	return w.task(way, o)
}

func (w *world) task(way string, o synth.CTOptions) (*task, error) {
	exam, err := gateway.NewExam(o)
	if err != nil {
		return nil, err
	}
	k := &task{way: way, exam: exam, acked: map[string]bool{}, since: time.Now()}
	w.mu.Lock()
	w.tasks = append(w.tasks, k)
	w.mu.Unlock()
	return k, nil
}

// bring hands an exam over and waits until the archive has all of it.
func (w *world) bring(ctx context.Context, k *task) error {
	var err error
	switch k.way {
	case byLink:
		err = w.create(ctx, k, gateway.NewImport{Kind: "link", Link: w.portal.add(k.exam), Known: &gateway.Known{BirthDate: gateway.BirthDate}})
	case byUpload:
		err = w.upload(ctx, k)
	case byDICOM:
		s := gateway.Sender{Nodes: w.nodes, Calling: gateway.Modality, Called: gateway.AETitle, OnBytes: w.bytes, Acked: func(uid string) { k.acked[uid] = true }}
		err = s.Send(ctx, k.exam.Objects)
	}
	for err == nil && !w.arrived(k) {
		if !gateway.Wait(ctx, 100*time.Millisecond) {
			err = context.Cause(ctx)
		}
	}
	return err
}

// create begins an import and remembers that it was acknowledged.
func (w *world) create(ctx context.Context, k *task, n gateway.NewImport) error {
	w.mark()
	id, err := w.api.Create(ctx, n)
	if err != nil {
		return err
	}
	w.mu.Lock()
	k.id, w.ofID[id] = id, k
	w.mu.Unlock()
	return nil
}

// upload hands an exam over as the ZIP, or as many files, whose number is announced
// or not.
func (w *world) upload(ctx context.Context, k *task) error {
	files := map[string][]byte{"exam.zip": k.exam.ZIP}
	if pieceMeal(k.exam) {
		files = map[string][]byte{}
		for i, o := range k.exam.Objects {
			files[fmt.Sprintf("CT/%03d.dcm", i)] = o.File
		}
	}
	announced := len(files)
	if k.exam.Seed%5 == 0 {
		announced = 0
	}
	if err := w.create(ctx, k, gateway.NewImport{Kind: "upload", Files: announced}); err != nil {
		return err
	}
	for path, content := range files {
		u := &gateway.Upload{Client: w.api, Import: k.id, Path: path, Content: content, Patch: 64 << 10, Checksum: k.exam.Seed%4 == 0, OnBytes: w.bytes}
		err := u.Run(ctx)
		w.proven.Add(int64(u.Proven))
		if err != nil {
			return err
		}
	}
	if announced == 0 {
		return w.complete(ctx, k.id)
	}
	return nil
}

// complete says that all files are there. A conflict is the answer to the second
// attempt, when that to the first was lost.
func (w *world) complete(ctx context.Context, id string) error {
	err := w.api.Act(ctx, id, "complete")
	if gateway.IsStatus(err, 409) {
		im, again := w.api.Import(ctx, id)
		if again == nil && im.State != "fetching" {
			return nil
		}
	}
	return err
}

// arrived reports whether the archive has every object of an exam.
func (w *world) arrived(k *task) bool {
	seen := w.archive.Seen()
	return !slices.ContainsFunc(k.exam.Objects, func(o gateway.Object) bool { return seen[o.UID].Count() == 0 })
}

// random is a source of chance of its own for each purpose, so that each is the same
// again with the same seed.
func (w *world) random(purpose uint64) *rand.Rand { return rand.New(rand.NewPCG(w.seed, purpose)) }
