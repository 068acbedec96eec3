package app

import (
	"context"
	"testing"
	"time"

	"lotse/internal/plaintext"
	"lotse/test/peer"
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

	lost := newWorld(t, w.dir, clock, nil)
	must(t, lost.beat(t.Context(), "lost", time.Now()))
	clock.add(25 * time.Hour)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Beat(ctx, "one") }()
	peer.Await(t, testPatience, "the node to be seen alone", func() bool {
		v, err := w.Overview(t.Context(), w.who)
		must(t, err)
		return len(v.Nodes) == 1 && v.Nodes[0].ID == "one" && v.Nodes[0].Version == "test" && !v.Nodes[0].Seen.Before(v.Nodes[0].Started)
	})
	stop()
	must(t, <-ended)
	if v, err := w.Overview(t.Context(), w.who); err != nil || len(v.Nodes) != 0 {
		t.Errorf("after its end: %s %v", show(v.Nodes), err)
	}
}
