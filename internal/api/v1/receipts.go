package v1

import (
	"context"
	"io"
	"net/http"

	"lotse/internal/api"
	"lotse/internal/api/problem"
	"lotse/internal/app"
	"lotse/internal/auth"
)

// receipts are the routes of what proves a delivery.
func (r *routes) receipts(s *api.Server) {
	s.HandleOperation(api.ByHand{Operation: api.Operation{ID: "get-receipt", Method: http.MethodGet, Path: "/imports/{import}/deliveries/{delivery}/receipt",
		Tag: tagProof, Permission: auth.ReceiptsRead, Problems: []problem.Code{problem.NotFound}, Summary: "Get the signed receipt of a delivery",
		Description: "As long as the import exists: whole. Afterwards without everything personal, and still verifiable. Reading a whole one is noted in the audit trail."},
		Answers: []api.Answer{{Status: "200", Description: "The receipt, as docs/receipt.md describes it.", ContentType: "application/json"}},
	}, s.Serve(r.getReceipt))
	api.Register(s, api.Operation{ID: "list-receipt-keys", Method: http.MethodGet, Path: "/receipt-keys", Tag: tagProof, Permission: auth.ReceiptsRead,
		Summary: "List the public keys that receipts are verified with"}, r.listReceiptKeys)
}

func (r *routes) getReceipt(w http.ResponseWriter, req *http.Request) error {
	content, err := r.Gateway.Receipt(req.Context(), who(req.Context()), req.PathValue("import"), req.PathValue("delivery"))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Disposition", `attachment; filename="receipt-`+req.PathValue("delivery")+`.json"`)
	if _, err := io.Copy(w, content); err != nil {
		panic(http.ErrAbortHandler) // half a receipt must not look like one
	}
	return nil
}

// receiptKeys are the public keys that receipts are verified with.
type receiptKeys struct {
	Keys []app.ReceiptKey `json:"keys" nullable:"false"`
}

type receiptKeysOut struct{ Body receiptKeys }

func (r *routes) listReceiptKeys(ctx context.Context, _ *struct{}) (*receiptKeysOut, error) {
	keys, err := r.Gateway.ReceiptKeys(ctx, who(ctx))
	if err != nil {
		return nil, err
	}
	return &receiptKeysOut{receiptKeys{keys}}, nil
}
