package peer

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// SCP is a storage provider of DCMTK.
type SCP struct {
	*Process
	Port int
	AET  string
	Dir  string // where received objects are
}

// Addr is host and port.
func (s *SCP) Addr() string { return "127.0.0.1:" + strconv.Itoa(s.Port) }

// Files gives the paths of what the peer has stored, in the order of their names.
func (s *SCP) Files(t testing.TB) []string {
	t.Helper()
	entries, err := os.ReadDir(s.Dir)
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, e := range entries {
		if e.Type().IsRegular() {
			files = append(files, filepath.Join(s.Dir, e.Name()))
		}
	}
	return files
}

// StoreSCP starts storescp with the arguments; AE title, directory and port are added.
func StoreSCP(t testing.TB, args ...string) *SCP {
	t.Helper()
	s := &SCP{Port: FreePort(t), AET: "SINK", Dir: t.TempDir()}
	args = append(append([]string{}, args...), "-aet", s.AET, "-od", s.Dir, strconv.Itoa(s.Port))
	s.Process = start(t, t.TempDir(), "storescp", s.Port, args...)
	return s
}

const dcmqrscpConfig = `NetworkTCPPort  = %[1]d
MaxPDUSize      = 131072
MaxAssociations = 16
HostTable BEGIN
lotse = (LOTSE, localhost, %[2]d)
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
%[3]s  %[4]s  RW  (500, 1024mb)  ANY
AETable END
`

// QRSCP is an archive of DCMTK with C-STORE, C-FIND, C-MOVE and C-GET.
type QRSCP struct {
	SCP
	// MovePort is where C-MOVE to the AE title LOTSE sends.
	MovePort int
}

// DCMQRSCP starts dcmqrscp over an empty folder.
func DCMQRSCP(t testing.TB) *QRSCP {
	t.Helper()
	q := &QRSCP{SCP: SCP{Port: FreePort(t), AET: "ARCHIVE", Dir: t.TempDir()}, MovePort: FreePort(t)}
	work := t.TempDir()
	file := filepath.Join(work, "dcmqrscp.cfg")
	text := fmt.Sprintf(dcmqrscpConfig, q.Port, q.MovePort, q.AET, q.Dir)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	q.Process = start(t, work, "dcmqrscp", q.Port, "-v", "-c", file, strconv.Itoa(q.Port))
	return q
}

// FromDump makes a DICOM file with dump2dcm from its text form and returns its path.
func FromDump(t testing.TB, dump string, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	text, file := filepath.Join(dir, "object.dump"), filepath.Join(dir, "object.dcm")
	if err := os.WriteFile(text, []byte(dump), 0o600); err != nil {
		t.Fatal(err)
	}
	Run(t, "dump2dcm", append(append([]string{}, args...), text, file)...)
	return file
}
