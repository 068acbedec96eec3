package dimse

import (
	"reflect"
	"testing"
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
