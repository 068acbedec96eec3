package pdu

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

// samples is one PDU of each kind with every field in use.
func samples() map[string]PDU {
	user := UserInfo{
		MaxLength: 16384, ImplementationClassUID: "2.25.1", ImplementationVersion: "TEST_1",
		AsyncOperations: &AsyncOperations{MaxInvoked: 4, MaxPerformed: 1},
		Roles:           []Role{{SOPClass: "1.2.840.10008.1.20.1", SCU: true, SCP: true}, {SOPClass: "1.2.3"}},
		Extended:        []ExtendedNegotiation{{SOPClass: "1.2.4", Data: []byte{1, 0, 2}}, {SOPClass: "1.2.5"}},
		Unknown:         []Item{{Type: 0x57, Data: []byte("common extended")}, {Type: 0xEE}},
	}
	rq, ac := user, user
	rq.Identity = &UserIdentity{Type: IdentityUsernamePasscode, PositiveResponse: true, Primary: []byte("user"), Secondary: []byte("code")}
	ac.IdentityResponse = &UserIdentityResponse{Data: []byte("ticket")}
	return map[string]PDU{
		"rq": &AssociateRQ{ProtocolVersion: 1, CalledAE: "CALLED", CallingAE: "SIXTEEN_LETTERS_", ApplicationContext: ApplicationContext,
			Contexts: []ProposedContext{{ID: 1, AbstractSyntax: "1.2.840.10008.1.1", TransferSyntaxes: []string{"1.2.840.10008.1.2", "1.2.840.10008.1.2.1"}}, {ID: 255, AbstractSyntax: "1.2"}},
			User:     rq, Unknown: []Item{{Type: 0x99, Data: []byte{1}}}},
		"ac": &AssociateAC{ProtocolVersion: 1, CalledAE: "CALLED", CallingAE: "CALLING", ApplicationContext: ApplicationContext,
			Contexts: []ContextResult{{ID: 1, TransferSyntax: "1.2.840.10008.1.2"}, {ID: 255, Result: AbstractSyntaxNotSupported}}, User: ac},
		"rj":         &AssociateRJ{Result: RejectedTransient, Source: RejectedByPresentation, Reason: ReasonLocalLimit},
		"data":       &DataTF{Values: []PDV{{ContextID: 1, Command: true, Last: true, Data: []byte("command!")}, {ContextID: 3, Data: []byte("da")}, {ContextID: 3, Last: true}}},
		"release rq": &ReleaseRQ{},
		"release rp": &ReleaseRP{},
		"abort":      &Abort{Source: AbortedByProvider, Reason: AbortUnexpectedPDU},
	}
}

func TestRoundTrip(t *testing.T) {
	for name, p := range samples() {
		b, err := Append([]byte("before"), p)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := Read(bytes.NewReader(b[len("before"):]), Limits{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !reflect.DeepEqual(got, p) {
			t.Errorf("%s: got %#v, want %#v", name, got, p)
		}
	}
}

// TestWireFormat pins bytes to the tables of PS3.8 §9.3, not to our own encoder.
func TestWireFormat(t *testing.T) {
	for want, p := range map[string]PDU{
		"\x03\x00\x00\x00\x00\x04\x00\x01\x01\x07":           &AssociateRJ{RejectedPermanent, RejectedByUser, ReasonCalledAE},
		"\x05\x00\x00\x00\x00\x04\x00\x00\x00\x00":           &ReleaseRQ{},
		"\x07\x00\x00\x00\x00\x04\x00\x00\x02\x01":           &Abort{AbortedByProvider, AbortUnrecognizedPDU},
		"\x04\x00\x00\x00\x00\x08\x00\x00\x00\x04\x05\x03ab": &DataTF{[]PDV{{ContextID: 5, Command: true, Last: true, Data: []byte("ab")}}},
		"\x01\x00\x00\x00\x00\x80\x00\x01\x00\x00" + "B               " + "A               " + strings.Repeat("\x00", 32) +
			"\x10\x00\x00\x031.2" + "\x20\x00\x00\x12\x07\x00\x00\x00\x30\x00\x00\x031.3\x40\x00\x00\x031.4" +
			"\x50\x00\x00\x1b\x51\x00\x00\x04\x00\x00\x40\x00\x52\x00\x00\x042.25\x58\x00\x00\x07\x01\x01\x00\x01u\x00\x00": &AssociateRQ{
			ProtocolVersion: 1, CalledAE: "B", CallingAE: "A", ApplicationContext: "1.2",
			Contexts: []ProposedContext{{ID: 7, AbstractSyntax: "1.3", TransferSyntaxes: []string{"1.4"}}},
			User:     UserInfo{MaxLength: 0x4000, ImplementationClassUID: "2.25", Identity: &UserIdentity{Type: 1, PositiveResponse: true, Primary: []byte("u")}}},
	} {
		got, err := Append(nil, p)
		if err != nil || string(got) != want {
			t.Errorf("%v: got %q, %v, want %q", p.Type(), got, err, want)
		}
	}
}

func TestPaddedUIDs(t *testing.T) {
	cut := &cursor{buf: []byte("1.2.840\x00 \x00")}
	if got := cut.uid(); got != "1.2.840" {
		t.Errorf("got %q", got)
	}
}

func TestRefused(t *testing.T) {
	rq, err := Append(nil, samples()["rq"])
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(rq) {
		want := io.ErrUnexpectedEOF
		if n == 0 {
			want = io.EOF
		}
		if _, err := Read(bytes.NewReader(rq[:n]), Limits{}); !errors.Is(err, want) {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
	var format *FormatError
	for name, b := range map[string]string{
		"unknown type":           "\x09\x00\x00\x00\x00\x00",
		"short release":          "\x05\x00\x00\x00\x00\x02\x00\x00",
		"fragment beyond PDU":    "\x04\x00\x00\x00\x00\x06\x00\x00\x00\x03\x01\x00",
		"fragment of length one": "\x04\x00\x00\x00\x00\x06\x00\x00\x00\x01\x01\x00",
		"no fragment":            "\x04\x00\x00\x00\x00\x00",
		"item beyond PDU":        "\x01\x00\x00\x00\x00\x48" + strings.Repeat("\x00", 68) + "\x10\x00\x00\x05",
	} {
		if _, err := Read(strings.NewReader(b), Limits{}); !errors.As(err, &format) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, p := range []PDU{
		&AssociateRQ{CalledAE: "SEVENTEEN_LETTERS"},
		&AssociateRQ{ApplicationContext: strings.Repeat("1", 0x10000)},
		&AssociateAC{User: UserInfo{IdentityResponse: &UserIdentityResponse{Data: make([]byte, 0x10000)}}},
	} {
		if _, err := Append(nil, p); !errors.Is(err, ErrTooLong) {
			t.Errorf("%v: %v", p.Type(), err)
		}
	}
}

// TestLyingLength checks that an announced length costs no memory.
func TestLyingLength(t *testing.T) {
	var long *TooLongError
	if _, err := Read(strings.NewReader("\x01\x00\xff\xff\xff\xff"), Limits{}); !errors.As(err, &long) || long.Limit != MaxAssociateLen {
		t.Errorf("associate: %v", err)
	}
	if _, err := Read(strings.NewReader("\x04\x00\x00\x00\x40\x01"), Limits{Data: 0x4000}); !errors.As(err, &long) {
		t.Errorf("data: %v", err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := Read(strings.NewReader("\x04\x00\xff\xff\xff\xff1234"), Limits{}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("unlimited data: %v", err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("4 GiB announced and %d bytes allocated", n)
	}
}

func TestIdentityIsHidden(t *testing.T) {
	u := &UserIdentity{Type: 2, Primary: []byte("name"), Secondary: []byte("secret")}
	if s := u.String() + u.GoString(); strings.Contains(s, "name") || strings.Contains(s, "secret") {
		t.Errorf("shows %s", s)
	}
}

// FuzzPDU checks decode, encode, decode: what was understood is written as it was
// understood.
func FuzzPDU(f *testing.F) {
	for _, p := range samples() {
		b, err := Append(nil, p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		first, err := Read(bytes.NewReader(b), Limits{Data: 1 << 20})
		if err != nil {
			return
		}
		again, err := Append(nil, first)
		if err != nil {
			t.Fatalf("encode %#v: %v", first, err)
		}
		second, err := Read(bytes.NewReader(again), Limits{Data: 1 << 20, Associate: 2 << 20})
		if err != nil {
			t.Fatalf("decode what was encoded: %v", err)
		}
		if !reflect.DeepEqual(first, second) {
			t.Fatalf("first %#v, second %#v", first, second)
		}
	})
}
