package app

import (
	"testing"
	"time"

	"lotse/internal/plaintext"
)

// TestOverview: what is less protected than usual is shown with its reason, of this tenant
// only, and so are nodes that are there and certificates that end.
func TestOverview(t *testing.T) {
	clock := &shift{}
	soon, late := time.Now().Add(time.Hour).UTC(), time.Now().Add(1000*time.Hour).UTC()
	w := newWorld(t, t.TempDir(), clock, func(o *GatewayOptions) {
		o.Plaintext = plaintext.Exceptions{{Peer: "b.example:104", Reason: "by configuration"}}
		o.Exposures = []Exposure{{What: "listen", Peer: ":8080", Reason: "a proxy"}}
		o.Certificates = func() []Certificate { return []Certificate{{"tls.cert_file", late}, {"dicom.ca_file", soon}} }
	})
	for name, n := range map[string]NewDestination{
		"a": {Address: "dicom://X@a.example:104", PlaintextReason: "its own"}, "b": {Address: "dicom://X@b.example:104"},
		"c": {Address: "dicom://X@c.example:104?tls=on"}, "d": {Address: "dicom://X@d.example:104?tls=unverified"},
		"e": {Address: "dicom://X@127.0.0.1:104"}, "f": {Address: "dir:" + w.dir},
	} {
		n.Name = name
		_, err := w.AddDestination(t.Context(), w.who, n)
		must(t, err)
	}
	v, err := w.Overview(t.Context(), w.who)
	must(t, err)
	if len(v.Plaintext) != 3 || v.Plaintext[0].Reason != "a proxy" || v.Plaintext[1].Reason != "its own" || v.Plaintext[2].Reason != "by configuration" || v.Plaintext[2].Destination == "" {
		t.Errorf("without TLS are %s", show(v.Plaintext))
	}
	if len(v.Unverified) != 1 || v.Unverified[0].Peer != "d.example:104" || len(v.Certificates) != 2 || v.Certificates[0].What != "dicom.ca_file" {
		t.Errorf("unverified are %s, certificates %s", show(v.Unverified), show(v.Certificates))
	}

	must(t, w.db.System().Present(t.Context(), "lost", "old", time.Second))
	clock.add(23 * time.Hour)
	must(t, w.db.System().Present(t.Context(), "one", "test", time.Minute))
	v, err = w.Overview(t.Context(), w.who)
	must(t, err)
	if len(v.Nodes) != 2 || v.Nodes[0].ID != "lost" || v.Nodes[0].Alive || v.Nodes[1].Version != "test" || !v.Nodes[1].Alive || v.Nodes[1].Seen.Before(v.Nodes[1].Started) {
		t.Errorf("nodes are %s", show(v.Nodes))
	}
	clock.add(2 * time.Hour)
	must(t, w.db.System().Leave(t.Context(), "one"))
	if v, err := w.Overview(t.Context(), w.who); err != nil || len(v.Nodes) != 0 {
		t.Errorf("a day later: %s %v", show(v.Nodes), err)
	}
}
