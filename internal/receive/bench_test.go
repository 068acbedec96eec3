package receive

import (
	"context"
	"io"
	"testing"

	"lotse/dimse"
)

// nowhere is an Intake that keeps nothing.
type nowhere struct{}

func (nowhere) Receive(_ context.Context, _ Meta, r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

// BenchmarkReceive is one association with CT slices of 530 KB.
func BenchmarkReceive(b *testing.B) {
	r := start(b, Config{}, anybody(), nowhere{}, nil)
	a := dial(b, r.addr)
	o := newObject(b, 1, 530_000)
	b.SetBytes(int64(len(o.data)))
	b.ReportAllocs()
	for b.Loop() {
		if answer, err := a.Store(b.Context(), o.request()); err != nil || answer.Status != dimse.Success {
			b.Fatal(answer.Status, err)
		}
	}
}
