package app

import (
	"errors"
	"os"
	"strings"
	"testing"

	"lotse/internal/importer"
	"lotse/internal/plaintext"
	"lotse/internal/store"
)

// lastEvent is the newest audit event of a kind, as it was written.
func (w *world) lastEvent(kind string) string {
	w.t.Helper()
	found := ""
	must(w.t, w.db.Tenant(w.who.Tenant).Read(w.t.Context(), func(tx *store.Tx) error {
		events, err := tx.Events("")
		for _, e := range events {
			if e.Event == kind {
				found = show(e.Detail)
			}
		}
		return err
	}))
	return found
}

// TestPlaintextNeedsReason: a destination without TLS is taken on this machine, with
// a reason, or when the configuration permits the peer; the reason is audited.
func TestPlaintextNeedsReason(t *testing.T) {
	w := newWorld(t, t.TempDir(), nil, func(o *GatewayOptions) {
		o.Plaintext = plaintext.Exceptions{{Peer: "pacs.example:104", Reason: "its own network"}}
	})
	for address, ok := range map[string]bool{
		"dicom://A@127.0.0.1:104": true, "dicom://A@localhost:104": true, "dicom://A@[::1]:104": true, "dicom://A@pacs.example:104": true,
		"dicom://A@other.example:104?tls=on": true, "dicom://A@other.example:104?tls=unverified": true,
		"dicom://A@other.example:104": false, "dicom://A@192.0.2.1:104": false, "dicom://A@pacs.example:105?tls=off": false,
	} {
		_, err := w.AddDestination(t.Context(), w.who, NewDestination{Name: address, Address: address})
		if ok && err != nil || !ok && !errors.Is(err, ErrPlaintext) {
			t.Errorf("%s: %v", address, err)
		}
	}
	blank := NewDestination{Name: "x", Address: "dicom://A@192.0.2.1:104", PlaintextReason: " \t"}
	if _, err := w.AddDestination(t.Context(), w.who, blank); !errors.Is(err, ErrPlaintext) {
		t.Errorf("a blank reason: %v", err)
	}
	if _, err := w.TestDestination(t.Context(), blank); !errors.Is(err, ErrPlaintext) {
		t.Errorf("tried without a reason: %v", err)
	}
	d, err := w.AddDestination(t.Context(), w.who, NewDestination{Name: "x", Address: "dicom://A@192.0.2.1:104", PlaintextReason: "until 2028"})
	if err != nil || d.PlaintextReason != "until 2028" {
		t.Fatalf("%+v %v", d, err)
	}
	if said := w.lastEvent("destination.created"); !strings.Contains(said, "until 2028") {
		t.Errorf("audited: %s", said)
	}
	if _, err := w.ChangeDestination(t.Context(), w.who, d.ID, d.Version, NewDestination{Name: "x", Address: d.Address}); !errors.Is(err, ErrPlaintext) {
		t.Errorf("changed to be without reason: %v", err)
	}
}

// TestPlaintextIsJudgedWhenUsed: when the exception is gone, nothing is sent any more,
// neither by what was decided before nor by what is decided now.
func TestPlaintextIsJudgedWhenUsed(t *testing.T) {
	w := newWorld(t, t.TempDir(), nil, func(o *GatewayOptions) {
		o.Plaintext = plaintext.Exceptions{{Peer: "192.0.2.1:104", Reason: "for now"}}
	})
	d, err := w.AddDestination(t.Context(), w.who, NewDestination{Name: "x", Address: "dicom://A@192.0.2.1:104"})
	must(t, err)
	decided, later := w.small(1), w.small(1)
	w.close()
	w.decideFor(decided, d.ID)

	again := newWorld(t, w.dir, nil, nil)
	s := again.broken(decided.ID)
	if len(s.Delivery) != 1 || s.Delivery[0].Problem != string(importer.ProblemPlaintext) || s.Delivery[0].Failed != 1 {
		t.Errorf("the delivery is %s", show(s.Delivery))
	}
	if err := again.Decide(t.Context(), w.who, later.ID, 0, NewDecision{Destinations: []string{d.ID}}); !errors.Is(err, ErrPlaintext) {
		t.Errorf("decided now: %v", err)
	}
}

// TestFoldersHaveRoots: a folder destination is below a configured one, and what the
// configuration takes away is not written to any more.
func TestFoldersHaveRoots(t *testing.T) {
	root := t.TempDir()
	w := newWorld(t, t.TempDir(), nil, func(o *GatewayOptions) { o.FolderRoots = []string{root} })
	for path, ok := range map[string]bool{root: true, root + "/a/b": true, root + "/a/../b": true, root + "/../x": false, root + "x": false, w.dir: false,
		"relative": false, "/": false, "//etc": false} {
		_, err := w.AddDestination(t.Context(), w.who, NewDestination{Name: path, Address: "dir:" + path})
		if ok && err != nil || !ok && !errors.Is(err, ErrFolder) {
			t.Errorf("%s: %v", path, err)
		}
	}
	d := w.destinationAt("dir:"+root+"/inbox", "")
	decided := w.small(1)
	w.close()
	w.decideFor(decided, d)

	again := newWorld(t, w.dir, nil, func(o *GatewayOptions) { o.FolderRoots = nil })
	if s := again.broken(decided.ID); s.Delivery[0].Problem != string(importer.ProblemFolder) || s.Delivery[0].Failed != 1 {
		t.Errorf("the delivery is %s", show(s.Delivery))
	}
	if _, err := os.Stat(root + "/inbox"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder was made: %v", err)
	}
}
