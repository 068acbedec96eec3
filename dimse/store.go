package dimse

import (
	"context"
	"errors"
)

// Priority of a C-STORE (PS3.7 §9.3.1.1).
type Priority uint16

// The priorities of PS3.7 table 9.3-1.
const (
	PriorityMedium Priority = 0x0000
	PriorityHigh   Priority = 0x0001
	PriorityLow    Priority = 0x0002
)

// StoreRequest asks a peer to store one object (C-STORE, PS3.7 §9.1.1).
type StoreRequest struct {
	// ContextID is an accepted presentation context. When 0, it is looked up by
	// SOPClass and TransferSyntax.
	ContextID byte
	// TransferSyntax is the one Data is encoded in; ignored with a ContextID.
	TransferSyntax string
	SOPClass       string
	SOPInstance    string // SOP Instance UID, 1 to 64 bytes
	Priority       Priority
	// MoveOriginator is set when the C-STORE is part of a C-MOVE.
	MoveOriginator *MoveOriginator
	// Data is the encoded data set without file meta information. Its length must
	// be even.
	Data Chunks
}

// MoveOriginator names the C-MOVE that causes a C-STORE (PS3.7 §9.1.1.1.5).
type MoveOriginator struct {
	AETitle   string
	MessageID uint16
}

// StoreResponse is the answer to a [StoreRequest].
type StoreResponse struct {
	Response
	SOPInstance string // as the peer repeats it; "" when it does not
}

// Store sends one object and waits for the response. A failure of the peer is no
// error but a status. A [*ContextError] leaves the association as it is; any other
// error ends it, see [Temporary]. When the peer already has the whole object an error
// can not say whether it was stored.
func (a *Association) Store(ctx context.Context, r StoreRequest) (StoreResponse, error) {
	pc, err := a.storeContext(r)
	if err != nil {
		return StoreResponse{}, err
	}
	if len(r.SOPInstance) < 1 || len(r.SOPInstance) > 64 {
		return StoreResponse{}, errors.New("C-STORE: SOP Instance UIDs have 1 to 64 bytes")
	}
	if r.MoveOriginator != nil && len(r.MoveOriginator.AETitle) > 16 {
		return StoreResponse{}, errors.New("C-STORE: AE titles have 1 to 16 characters")
	}
	var answer StoreResponse
	err = a.do(ctx, "C-STORE", func() error {
		id := a.nextMessageID()
		if err := a.link.sendCommand(pc.ID, a.encoder.store(pc.SOPClass, id, &r)); err != nil {
			return err
		}
		if err := a.link.sendData(pc.ID, r.Data); err != nil {
			return err
		}
		c, err := a.response(ctx, fieldStore, id)
		if err != nil {
			return err
		}
		answer = StoreResponse{Response: responseOf(c), SOPInstance: c.text(elemAffectedSOPInstance)}
		return nil
	})
	return answer, err
}

// storeContext finds the presentation context of a request.
func (a *Association) storeContext(r StoreRequest) (NegotiatedContext, error) {
	if r.ContextID == 0 {
		return a.Find(r.SOPClass, r.TransferSyntax)
	}
	pc, err := a.context(r.ContextID)
	if err == nil && r.SOPClass != "" && r.SOPClass != pc.SOPClass {
		err = &ContextError{SOPClass: r.SOPClass}
	}
	return pc, err
}

// store encodes a C-STORE-RQ.
func (e *encoder) store(sopClass string, id uint16, r *StoreRequest) []byte {
	e.reset().
		uid(elemAffectedSOPClass, sopClass).
		number(elemCommandField, fieldStore).
		number(elemMessageID, id).
		number(elemPriority, uint16(r.Priority)).
		number(elemDataSetType, withDataSet).
		uid(elemAffectedSOPInstance, r.SOPInstance)
	if m := r.MoveOriginator; m != nil {
		e.text(elemMoveOriginatorAE, m.AETitle).number(elemMoveOriginatorID, m.MessageID)
	}
	return e.bytes()
}
