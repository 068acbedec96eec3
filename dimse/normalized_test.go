package dimse

import (
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"lotse/dimse/pdu"
)

// TestStorageRoles: for storage a requestor is granted the role of SCU only.
func TestStorageRoles(t *testing.T) {
	s := startSink(t, nil)
	for name, c := range map[string]struct {
		propose, granted []pdu.Role
		result           pdu.Result
	}{
		"none": {nil, nil, pdu.Acceptance},
		"SCU":  {[]pdu.Role{{SOPClass: ctStorage, SCU: true}}, []pdu.Role{{SOPClass: ctStorage, SCU: true}}, pdu.Acceptance},
		"both": {[]pdu.Role{{SOPClass: ctStorage, SCU: true, SCP: true}}, []pdu.Role{{SOPClass: ctStorage, SCU: true}}, pdu.Acceptance},
		"SCP":  {[]pdu.Role{{SOPClass: ctStorage, SCP: true}}, nil, pdu.UserRejection},
	} {
		a, err := Dial(t.Context(), s.addr, Config{CallingAE: "A", CalledAE: "B", Roles: c.propose}, []PresentationContext{
			{ID: 1, SOPClass: ctStorage, TransferSyntaxes: []string{ExplicitVRLittleEndian}},
			{ID: 3, SOPClass: ctStorage, TransferSyntaxes: []string{ImplicitVRLittleEndian}}})
		if err != nil {
			t.Fatal(err)
		}
		if got := a.Peer().Roles; fmt.Sprint(got) != fmt.Sprint(c.granted) || a.Contexts()[0].Result != c.result || a.Contexts()[1].Result != c.result {
			t.Errorf("%s: granted %v, contexts %v", name, got, a.Contexts())
		}
		_ = a.Close()
	}
}

// TestNormalized sends requests with and without information to a provider and hears
// what it got.
func TestNormalized(t *testing.T) {
	const class, instance = "1.2.826.0.1.3680043.9.1", "1.2.826.0.1.3680043.9.2"
	got := make(chan string, 1)
	keep := func(_ context.Context, in NormalizedIndication) Status {
		b, err := io.ReadAll(in.Data)
		peer, own := in.Peer.Titles()
		got <- fmt.Sprintf("%s %s %d %q %v from %s to %s", in.SOPClass, in.SOPInstance, in.Type, b, err, peer, own)
		return ResourceLimitation
	}
	s := startSink(t, func(s *sink) { s.Services = map[string]Service{class: {Action: keep}} })
	a, err := Dial(t.Context(), s.addr, Config{CallingAE: "A", CalledAE: "B"}, []PresentationContext{
		{ID: 1, SOPClass: class, TransferSyntaxes: []string{ExplicitVRLittleEndian}}})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	for text, data := range map[string]Chunks{"": nil, "data": FromBytes([]byte("data"))} {
		r, err := a.Action(t.Context(), NormalizedRequest{SOPClass: class, SOPInstance: instance, Type: 7, Data: data})
		want := fmt.Sprintf("%s %s 7 %q <nil> from A to B", class, instance, text)
		if err != nil || r.Status != ResourceLimitation || <-got != want {
			t.Errorf("%q: %v, %v", text, r.Status, err)
		}
	}
	r, err := a.Event(t.Context(), NormalizedRequest{SOPClass: class, SOPInstance: instance, Type: 7})
	if err != nil || r.Status != UnrecognizedOperation {
		t.Errorf("event without a handler: %v, %v", r.Status, err)
	}
	if enough, err := a.Await(t.Context(), 20*time.Millisecond, func() bool { return false }); enough || err != nil {
		t.Errorf("await: %v, %v", enough, err)
	}
	if err := a.Release(t.Context()); err != nil {
		t.Errorf("release after waiting in vain: %v", err)
	}
}
