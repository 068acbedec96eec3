package dimse

import "context"

// Echo verifies the connection (C-ECHO, PS3.7 §9.1.5). The association must have
// an accepted context for [Verification].
func (a *Association) Echo(ctx context.Context) (Response, error) {
	pc, err := a.Find(Verification, "")
	if err != nil {
		return Response{}, err
	}
	var answer Response
	err = a.do(ctx, "C-ECHO", func() error {
		id := a.nextMessageID()
		request := a.encoder.reset().
			uid(elemAffectedSOPClass, Verification).
			number(elemCommandField, fieldEcho).
			number(elemMessageID, id).
			number(elemDataSetType, withoutDataSet).
			bytes()
		if err := a.link.sendAlone(pc.ID, request); err != nil {
			return err
		}
		c, err := a.response(ctx, fieldEcho, id)
		if err != nil {
			return err
		}
		answer = responseOf(c)
		return nil
	})
	return answer, err
}

// VerificationContext is the presentation context that [Association.Echo] needs.
func VerificationContext(id byte) PresentationContext {
	return PresentationContext{ID: id, SOPClass: Verification, TransferSyntaxes: []string{ImplicitVRLittleEndian}}
}
