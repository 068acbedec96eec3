package v1

import (
	"net/http"
	"strconv"
	"time"

	"lotse/internal/api"
	"lotse/internal/api/problem"
	"lotse/internal/auth"
	"lotse/internal/auth/access"
	"lotse/internal/tus"
)

// uploadsPath is where uploads are.
const uploadsPath = "/uploads"

// uploads are the routes of resumable uploads: the protocol tus, version 1.0.0.
func (r *routes) uploads(s *api.Server) {
	failed := func(req *http.Request, err error) {
		s.Log.ErrorContext(req.Context(), "an upload failed", "err", err, "request_id", api.RequestID(req.Context()))
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		tus.New(r.Gateway.Uploads(who(req.Context())), tus.Options{MaxSize: r.MaxUpload, Stall: s.Stall, Refuse: refuseUpload, Failed: failed,
			Location: func(_ *http.Request, id string) string { return api.Base + uploadsPath + "/" + id }}).ServeHTTP(w, req)
	})
	for _, op := range uploadOperations() {
		op.Tag, op.Permission, op.Body = tagUploads, auth.ImportsCreate, api.Unlimited
		if op.Method == http.MethodOptions {
			op.Permission, op.Body = access.Public, 0
		}
		s.HandleOperation(op, handler)
	}
}

// refuseUpload answers with the problem of a refusal's code.
func refuseUpload(w http.ResponseWriter, _ *http.Request, _ int, code string) {
	p := problem.New(problem.Code(code), "")
	if seconds, err := strconv.Atoi(w.Header().Get("Retry-After")); err == nil {
		w.Header().Del("Retry-After")
		p = p.After(time.Duration(seconds) * time.Second)
	}
	_ = problem.Write(w, p) // the client has gone
}

// uploadOperations describe the protocol.
func uploadOperations() []api.ByHand {
	version := map[string]string{"Tus-Resumable": "1.0.0"}
	with := func(more map[string]string) map[string]string {
		for name, text := range version {
			more[name] = text
		}
		return more
	}
	offset := map[string]string{"Upload-Offset": "How many bytes are there for good.", "Tus-Resumable": "1.0.0"}
	sum := "The name of an algorithm and the checksum of this request's bytes in Base64: md5, sha1, sha256 …; bytes that are not those are dropped."
	one := uploadsPath + "/{upload}"
	return []api.ByHand{
		{Operation: api.Operation{ID: "create-upload", Method: http.MethodPost, Path: uploadsPath, Summary: "Begin the upload of a file",
			Description: "Of an import of kind upload that is fetching. Bytes may come with the request.",
			Problems:    []problem.Code{"upload-length-invalid", "upload-metadata-invalid", "upload-not-found", "upload-gone", "upload-too-large"}},
			ContentType: tus.ContentType,
			Headers: with(map[string]string{"Upload-Length": "Bytes of the whole file.", "Upload-Checksum": sum,
				"Upload-Metadata": "`import` and its id in Base64, a comma, `path` and the relative path of the file in Base64. With a `key`, a random text in Base64, the creation can be sent again and begins nothing new."}),
			Answers: []api.Answer{{Status: "201", Description: "The upload exists.", Headers: map[string]string{"Location": "The upload.",
				"Upload-Offset": "How many of the bytes that came along are there for good."}}}},
		{Operation: api.Operation{ID: "describe-uploads", Method: http.MethodOptions, Path: uploadsPath, Summary: "Get what this server can do with uploads"},
			Answers: []api.Answer{{Status: "204", Description: "The protocol's versions, extensions, algorithms and bounds.", Headers: map[string]string{
				"Tus-Version": "1.0.0", "Tus-Extension": "What is offered.", "Tus-Checksum-Algorithm": "The algorithms.", "Tus-Max-Size": "Bytes of one upload."}}}},
		{Operation: api.Operation{ID: "describe-upload", Method: http.MethodOptions, Path: one, Summary: "Get what this server can do with uploads"},
			Answers: []api.Answer{{Status: "204", Description: "As for all uploads."}}},
		{Operation: api.Operation{ID: "get-upload", Method: http.MethodHead, Path: one, Summary: "Get how much of an upload is there",
			Description: "For good: it survives whatever happens to this server.", Problems: []problem.Code{"upload-not-found"}},
			Headers: with(map[string]string{}), Answers: []api.Answer{{Status: "200", Description: "How much is there.", Headers: offset}}},
		{Operation: api.Operation{ID: "continue-upload", Method: http.MethodPatch, Path: one, Summary: "Send more of an upload",
			Description: "One request at a time. When the connection breaks, what came before is there: ask with HEAD and go on.",
			Problems:    []problem.Code{"upload-offset-differs", "upload-locked", problem.UploadChecksumDiffers, "upload-gone"}},
			ContentType: tus.ContentType,
			Headers:     with(map[string]string{"Upload-Offset": "Where these bytes belong: how many are there.", "Upload-Checksum": sum}),
			Answers:     []api.Answer{{Status: "204", Description: "All bytes are there for good.", Headers: offset}}},
		{Operation: api.Operation{ID: "delete-upload", Method: http.MethodDelete, Path: one, Summary: "End an upload and drop what came",
			Problems: []problem.Code{"upload-not-found", "upload-gone", "upload-locked"}},
			Headers: with(map[string]string{}), Answers: []api.Answer{{Status: "204", Description: "It is gone."}}},
	}
}
