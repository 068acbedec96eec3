package e2e

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"lotse/test/peer"
	"lotse/test/samples"
)

// heavyMedium is the demonstration medium with a file that takes time to upload.
func heavyMedium(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "cd")
	peer.Run(t, "unzip", "-q", samples.File(t, "dlx-demo/patcd.zip"), "-d", dir)
	noise := make([]byte, 40<<20)
	_, _ = rand.Read(noise)
	if err := os.WriteFile(filepath.Join(dir, "noise.bin"), noise, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestServerKilledWhileUploading: what was confirmed is there, the rest follows.
func TestServerKilledWhileUploading(t *testing.T) {
	s := startServer(t, nil)
	dir := t.TempDir()
	s.destination("folder", "dir:"+dir)
	slow := badLine(t, strings.TrimPrefix(s.url(), "http://"), 20<<20, 0)
	c := s.background("http://"+slow.Addr().String(), args(onServer, "import", heavyMedium(t), "--to", "folder")...)
	peer.Await(t, patience, "the first bytes of the large file to be there", func() bool {
		one := s.only()
		return one != nil && one.Received.Bytes > 8<<20
	})
	s.kill()
	peer.Await(t, patience, "the command to notice", func() bool { return strings.Contains(c.errs.String(), "connection to the server is lost") })
	s.start()
	r := c.wait().want(t, 0)
	checkDelivered(t, filesBelow(t, dir))
	if !strings.Contains(r.err, "The server answers again.") {
		t.Errorf("nothing is said of its return:\n%s", r.err)
	}
	if one := s.only(); one.State != "delivered" {
		t.Errorf("%+v", one)
	}
}

// TestServerKilledWhileDelivering: the command goes on and ends with the receipt.
func TestServerKilledWhileDelivering(t *testing.T) {
	s := startServer(t, nil)
	scp := peer.StoreSCP(t, "+xa", "+B")
	slow := badLine(t, scp.Addr(), 200<<10, 0)
	s.destination("PACS", "dicom://SINK@"+slow.Addr().String())
	c := s.background(s.url(), args(onServer, "import", samples.File(t, "dlx-demo/patcd.zip"), "--to", "PACS", "--json")...)
	peer.Await(t, patience, "the first object to have arrived", func() bool { return len(scp.Files(t)) > 0 })
	if one := s.only(); one.State != "delivering" {
		t.Fatalf("too late to kill: %+v", one)
	}
	s.kill()
	s.start()
	rec := c.wait().want(t, 0).receipt(t)
	checkDelivered(t, scp.Files(t))
	if rec.Totals.Delivered != 5 {
		t.Errorf("%+v", rec.Totals)
	}
}

// TestServerBehindBadLine: connections break again and again, and every file is there
// once.
func TestServerBehindBadLine(t *testing.T) {
	s := startServer(t, nil)
	dir := t.TempDir()
	s.destination("folder", "dir:"+dir)
	bad := badLine(t, strings.TrimPrefix(s.url(), "http://"), 0, 9<<20+12345)
	c := s.background("http://"+bad.Addr().String(), args(onServer, "import", heavyMedium(t), "--to", "folder", "--json")...)
	rec := c.wait().want(t, 0).receipt(t)
	checkDelivered(t, filesBelow(t, dir))
	if bad.count() == 0 {
		t.Error("no connection was cut: this test cannot fail")
	}
	seen := map[string]bool{}
	for _, it := range rec.Items {
		if seen[it.Path] || it.Reason == "duplicate" {
			t.Errorf("%s was uploaded twice", it.Path)
		}
		seen[it.Path] = true
	}
}

// TestServerInterrupted: what was begun goes on without the command, but an upload
// cannot.
func TestServerInterrupted(t *testing.T) {
	p := startPortal(t)
	s := startServer(t, p)
	s.destination("folder", "dir:"+t.TempDir())
	t.Run("fetching", func(t *testing.T) {
		c := s.background(s.url(), args(onServer, "import", p.link("SLOW-1"), "--birth-date", "1970-01-01", "--to", "folder")...)
		peer.Await(t, patience, "the import to have begun", func() bool { return len(s.imports()) == 1 })
		interrupt(t, c)
		r := c.wait().want(t, 1)
		one := s.only()
		if !strings.Contains(r.err, "The import "+one.ID+" goes on on the server.") || one.State == "cancelled" {
			t.Errorf("%+v:\n%s", one, r.err)
		}
	})
	t.Run("uploading", func(t *testing.T) {
		slow := badLine(t, strings.TrimPrefix(s.url(), "http://"), 5<<20, 0)
		c := s.background("http://"+slow.Addr().String(), args(onServer, "import", heavyMedium(t), "--to", "folder")...)
		peer.Await(t, patience, "the upload to have begun", func() bool {
			list := s.imports()
			return len(list) == 2 && list[0].Received.Bytes > 0
		})
		interrupt(t, c)
		r := c.wait().want(t, 1)
		if one := s.imports()[0]; !strings.Contains(r.err, one.ID+" is cancelled") || one.State != "cancelled" {
			t.Errorf("%+v:\n%s", one, r.err)
		}
	})
}

func interrupt(t *testing.T, c *command) {
	t.Helper()
	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
}

// TestServerDestinationAway: the person reads why it takes time, and it ends well.
func TestServerDestinationAway(t *testing.T) {
	s := startServer(t, nil)
	scp := peer.StoreSCP(t, "+xa", "+B")
	away := badLine(t, "127.0.0.1:1", 0, 0)
	s.destination("PACS", "dicom://SINK@"+away.Addr().String())
	c := s.background(s.url(), args(onServer, "import", samples.File(t, "dlx-demo/patcd.zip"), "--to", "PACS")...)
	peer.Await(t, patience, "the command to say why it waits", func() bool { return strings.Contains(c.errs.String(), "Next attempt at") })
	away.lead(scp.Addr())
	c.wait().want(t, 0)
	checkDelivered(t, scp.Files(t))
}
