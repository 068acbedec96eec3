package dimse

import (
	"errors"
	"reflect"
	"testing"

	"lotse/dimse/pdu"
)

func TestCommandRoundTrip(t *testing.T) {
	var e encoder
	b := e.store("1.2.3", 7, &StoreRequest{SOPInstance: "1.2.3.4", Priority: PriorityLow, MoveOriginator: &MoveOriginator{"MOVER", 9}})
	c, err := decodeCommand(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	id, _ := c.number(elemMessageID)
	mover, _ := c.number(elemMoveOriginatorID)
	if c.field() != fieldStore || id != 7 || !c.hasDataSet() || mover != 9 || c.text(elemMoveOriginatorAE) != "MOVER" ||
		c.text(elemAffectedSOPClass) != "1.2.3" || c.text(elemAffectedSOPInstance) != "1.2.3.4" {
		t.Errorf("got %v", c)
	}
	if n := len(b); int(b[8])|int(b[9])<<8 != n-12 {
		t.Errorf("group length %d of %d", int(b[8]), n)
	}
	reply := e.response(headOf(c), OutOfResources)
	if c, err = decodeCommand(reply, nil); err != nil {
		t.Fatal(err)
	}
	if r := responseOf(c); r.Status != OutOfResources || c.field() != fieldStore|fieldResponse || c.hasDataSet() {
		t.Errorf("response %v", c)
	}
}

// TestResponseDetails reads what a failing peer adds to its status.
func TestResponseDetails(t *testing.T) {
	var e encoder
	e.reset().number(elemStatus, 0xC001).raw(element{elemOffendingElement, []byte{0x28, 0, 0x10, 0, 0xe0, 0x7f, 0x10, 0}}).
		text(elemErrorComment, "odd").number(elemErrorID, 5)
	c, err := decodeCommand(e.bytes(), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Response{Status: 0xC001, ErrorComment: "odd", OffendingElements: []uint32{0x00280010, 0x7FE00010}, ErrorID: 5}
	if got := responseOf(c); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestNegotiated(t *testing.T) {
	propose := func(id byte, class string, syntaxes ...string) PresentationContext {
		return PresentationContext{ID: id, SOPClass: class, TransferSyntaxes: syntaxes}
	}
	a := &Association{contexts: negotiated(
		[]PresentationContext{propose(1, "1.1", "2.1"), propose(3, "1.1", "2.2"), propose(5, "1.2", "2.1", "2.2"), propose(7, "1.3", "2.1")},
		[]pdu.ContextResult{{ID: 1, TransferSyntax: "2.9"}, {ID: 3, TransferSyntax: "2.2"}, {ID: 5, TransferSyntax: "2.2"}, {ID: 99}})}
	for _, c := range []struct {
		class, syntax string
		id            byte
		result        pdu.Result
	}{
		{"1.1", "", 3, 0}, {"1.1", "2.2", 3, 0}, {"1.1", "2.1", 0, pdu.TransferSyntaxesNotSupported}, // answered with nonsense
		{"1.2", "2.2", 5, 0}, {"1.2", "2.1", 0, pdu.TransferSyntaxesNotSupported}, // another one chosen
		{"1.3", "", 0, pdu.NoReason}, // not answered
	} {
		got, err := a.Find(c.class, c.syntax)
		var refused *ContextError
		if got.ID != c.id || (c.id == 0) != errors.As(err, &refused) || refused != nil && (refused.Result != c.result || !refused.Proposed) {
			t.Errorf("%s in %q: %d, %v", c.class, c.syntax, got.ID, err)
		}
	}
}

func TestCommandRefused(t *testing.T) {
	for name, b := range map[string]string{
		"short":         "\x00\x00\x02\x00\x04",
		"beyond end":    "\x00\x00\x02\x00\x04\x00\x00\x00ab",
		"huge":          "\x00\x00\x02\x00\xff\xff\xff\xffab",
		"another group": "\x08\x00\x16\x00\x02\x00\x00\x00ab",
	} {
		if _, err := decodeCommand([]byte(b), nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestStatus(t *testing.T) {
	for s, want := range map[Status]struct {
		class     Class
		stored    bool
		retryable bool
	}{
		0x0000: {ClassSuccess, true, false}, 0xB000: {ClassWarning, true, false}, 0xB006: {ClassWarning, true, false},
		0xB007: {ClassWarning, true, false}, 0x0107: {ClassWarning, true, false}, 0xA700: {ClassFailure, false, true},
		0xA7FF: {ClassFailure, false, true}, 0xA900: {ClassFailure, false, false}, 0xC123: {ClassFailure, false, false},
		0x0122: {ClassFailure, false, false}, 0xFE00: {ClassCancel, false, false}, 0xFF00: {ClassPending, false, false},
		0x1234: {ClassFailure, false, false},
	} {
		if s.Class() != want.class || s.Stored() != want.stored || s.Retryable() != want.retryable {
			t.Errorf("%v: %v, stored %v, retryable %v", s, s.Class(), s.Stored(), s.Retryable())
		}
	}
}

// FuzzCommand checks decode, encode, decode of command sets.
func FuzzCommand(f *testing.F) {
	var e encoder
	f.Add(append([]byte(nil), e.store("1.2.3", 7, &StoreRequest{SOPInstance: "1.2.3.4"})...))
	f.Add([]byte("\x00\x00\x02\x09\x03\x00\x00\x00odd"))
	f.Fuzz(func(t *testing.T, b []byte) {
		first, err := decodeCommand(b, nil)
		if err != nil {
			return
		}
		_, _, _ = headOf(first), responseOf(first), first.hasDataSet()
		var e encoder
		e.reset()
		for _, x := range first {
			e.raw(x)
		}
		second, err := decodeCommand(e.bytes(), nil)
		if err != nil || !reflect.DeepEqual(first, second) {
			t.Fatalf("first %v, second %v, %v", first, second, err)
		}
	})
}
