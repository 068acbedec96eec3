package recorder_test

import (
	"context"
	"crypto/sha256"
	"io"
	"testing"

	"lotse/dicom"
	"lotse/dimse"
	"lotse/test/recorder"
)

const ctImage = "1.2.840.10008.5.1.4.1.1.2"

// chunk is a data set in one piece.
type chunk struct{ data []byte }

func (c *chunk) Next() ([]byte, error) {
	data := c.data
	c.data = nil
	return data, io.EOF
}

// send stores one object over an association of its own.
func send(t *testing.T, r *recorder.Recorder, uid string, data []byte) (dimse.Status, error) {
	t.Helper()
	a, err := dimse.Dial(t.Context(), r.Addr, dimse.Config{CallingAE: "TEST", CalledAE: r.AETitle},
		[]dimse.PresentationContext{{ID: 1, SOPClass: ctImage, TransferSyntaxes: []string{dicom.ExplicitVRLittleEndian}}})
	if err != nil {
		return 0, err
	}
	defer a.Abort()
	answer, err := a.Store(t.Context(), dimse.StoreRequest{ContextID: 1, SOPClass: ctImage, SOPInstance: uid, Data: &chunk{data}})
	return answer.Status, err
}

func TestRecorder(t *testing.T) {
	r, err := recorder.StartRecorder("RECORDER")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	one, other := []byte("\x08\x00\x60\x00CS\x02\x00CT"), []byte("\x08\x00\x60\x00CS\x02\x00MR")
	for _, data := range [][]byte{one, other, one} {
		if status, err := send(t, r, "1.2.3", data); status != dimse.Success || err != nil {
			t.Fatalf("send: %v, %v", status, err)
		}
	}
	sight := r.Seen()["1.2.3"]
	if sight.Count() != 3 || sight.Times[sha256.Sum256(one)] != 2 || sight.Times[sha256.Sum256(other)] != 1 {
		t.Errorf("it saw %+v", sight)
	}

	r.Full(1)
	if status, err := send(t, r, "1.2.4", one); status != dimse.OutOfResources || err != nil {
		t.Errorf("a full archive answers %v, %v", status, err)
	}
	if status, err := send(t, r, "1.2.4", one); status != dimse.Success || err != nil {
		t.Errorf("an archive with room again answers %v, %v", status, err)
	}

	r.Abort(1)
	if status, err := send(t, r, "1.2.5", one); err == nil {
		t.Errorf("an archive that breaks off answers %v", status)
	}
	if s := r.Seen()["1.2.5"]; s.Count() != 1 || s.Unanswered != 1 {
		t.Error("what came in before it broke off was not recorded")
	}

	r.Away()
	if _, err := send(t, r, "1.2.6", one); err == nil {
		t.Error("an archive that is away answers")
	}
	if err := r.Back(context.Background()); err != nil {
		t.Fatal(err)
	}
	if status, err := send(t, r, "1.2.6", one); status != dimse.Success || err != nil {
		t.Errorf("an archive that is back answers %v, %v", status, err)
	}
	if refused, aborted := r.Faults(); refused != 1 || aborted != 1 || r.Instances() != 4 {
		t.Errorf("it counts %d refused, %d aborted, %d instances", refused, aborted, r.Instances())
	}
}
