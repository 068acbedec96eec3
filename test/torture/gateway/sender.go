package gateway

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"lotse/dimse"
)

// Sender sends objects by C-STORE as a modality does: until each has its success.
type Sender struct {
	Nodes           []*Node
	Calling, Called string
	// OnBytes, when set, is called before each few bytes leave, and may wait.
	OnBytes func()
	// Acked is told of each object that the other side took.
	Acked func(uid string)
}

// Send sends the objects.
func (s *Sender) Send(ctx context.Context, objects []Object) error {
	left := append([]Object(nil), objects...)
	for len(left) > 0 {
		n, err := s.some(ctx, left)
		left = left[n:]
		if ended := context.Cause(ctx); ended != nil {
			return fmt.Errorf("send objects: %w (%w)", ended, err)
		}
		if len(left) > 0 && !Wait(ctx, pause) {
			return context.Cause(ctx)
		}
	}
	return nil
}

// some sends over one association, until something breaks; it returns how many of
// the first objects were taken.
func (s *Sender) some(ctx context.Context, objects []Object) (int, error) {
	node := s.Nodes[rand.N(len(s.Nodes))] //nolint:gosec // spreads load
	contexts := []dimse.PresentationContext{{ID: 1, SOPClass: objects[0].Class, TransferSyntaxes: []string{objects[0].Syntax}}}
	a, err := dimse.Dial(ctx, node.DICOMAddr(), dimse.Config{CallingAE: s.Calling, CalledAE: s.Called,
		Timeouts: dimse.Timeouts{Connect: 5 * time.Second, Associate: 20 * time.Second, Response: time.Minute}}, contexts)
	if err != nil {
		return 0, err
	}
	for i, o := range objects {
		answer, err := a.Store(ctx, dimse.StoreRequest{ContextID: 1, SOPClass: o.Class, SOPInstance: o.UID, Data: &pieces{data: o.Data, each: s.OnBytes}})
		if err != nil {
			return i, err
		}
		if !answer.Status.Stored() {
			a.Abort()
			return i, fmt.Errorf("status %s", answer.Status)
		}
		if s.Acked != nil {
			s.Acked(o.UID)
		}
	}
	_ = a.Release(ctx) // all is acknowledged, whatever becomes of the association
	return len(objects), nil
}

// pieces gives a data set a few bytes at a time.
type pieces struct {
	data []byte
	each func()
}

// Next is of [dimse.Chunks].
func (p *pieces) Next() ([]byte, error) {
	n := len(p.data)
	if p.each != nil {
		p.each()
		n = min(n, 32<<10)
	}
	piece := p.data[:n]
	if p.data = p.data[n:]; len(p.data) == 0 {
		return piece, io.EOF
	}
	return piece, nil
}
