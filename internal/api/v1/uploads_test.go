package v1_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net/http"
	"testing"

	"lotse/internal/api/problem"
	"lotse/internal/app"
	"lotse/internal/sealed"
	"lotse/internal/store"
	"lotse/internal/store/storetest"
	"lotse/internal/tus"
	"lotse/internal/tus/tustest"
)

// inside puts all uploads of a store into one import, and keeps that to itself.
type inside struct {
	tus.Store
	id string
}

func (s inside) Create(ctx context.Context, u tus.Upload) (string, error) {
	u.Metadata = maps.Clone(u.Metadata)
	if u.Metadata == nil {
		u.Metadata = map[string]string{}
	}
	u.Metadata["import"], u.Metadata["path"] = s.id, "folder/file.dcm"
	return s.Store.Create(ctx, u)
}

func (s inside) Info(ctx context.Context, id string) (tus.Upload, error) {
	u, err := s.Store.Info(ctx, id)
	if err == nil && (u.Metadata["import"] != s.id || u.Metadata["path"] != "folder/file.dcm") {
		err = fmt.Errorf("the metadata is %q", u.Metadata)
	}
	delete(u.Metadata, "import")
	delete(u.Metadata, "path")
	return u, err
}

// TestUploadStore runs the conformance tests of tus over the gateway's store.
func TestUploadStore(t *testing.T) {
	storetest.Each(t, func(t *testing.T, p storetest.Place) {
		w := open(t, p)
		who := app.Who{Tenant: mainTenant, Actor: "test"}
		id, err := w.gate.Create(t.Context(), who, app.NewImport{Kind: app.KindUpload})
		w.must(err)
		tustest.Run(t, inside{w.gate.Uploads(who), id}, w.committed)
	})
}

// committed is what is kept of an upload.
func (w *world) committed(t *testing.T, id string) []byte {
	t.Helper()
	var row *store.Upload
	var segments []sealed.Segment
	w.must(w.db.Tenant(mainTenant).Read(t.Context(), func(tx *store.Tx) (err error) {
		if row, err = tx.Upload(id); err != nil {
			return err
		}
		list, err := tx.Segments(row.Import, row.Part)
		segments = nil
		for _, s := range list {
			segments = append(segments, sealed.Segment{ID: s.ID, Offset: s.Start, Size: s.Size})
		}
		return err
	}))
	v, err := w.vault.Tenant(t.Context(), mainTenant)
	w.must(err)
	r := v.Reader(row.Import, segments).WithContext(t.Context())
	content, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
	w.must(err)
	return content
}

// refusals are all that tus may refuse with.
func refusals() []tus.Refusal {
	return []tus.Refusal{tus.NotFound, tus.Gone, tus.Locked, tus.TooLarge, tus.Unavailable, tus.WrongVersion, tus.WrongType, tus.OffsetDiffers,
		tus.ChecksumDiffers, tus.BadLength, tus.LengthDeferred, tus.BadOffset, tus.BadMetadata, tus.BadChecksum, tus.UnknownAlgorithm,
		tus.Interrupted, tus.Stalled, tus.WrongMethod, tus.Broken}
}

// TestRefusals: each refusal is in the catalogue, with the status of the protocol.
func TestRefusals(t *testing.T) {
	for _, r := range refusals() {
		if p := problem.New(problem.Code(r), ""); p.Status != r.Status() || string(p.Code) != string(r) {
			t.Errorf("%s is %d %s", r, p.Status, p.Code)
		}
	}
}

const (
	tusVersion = "Tus-Resumable: 1.0.0"
	tusBytes   = "Content-Type: application/offset+octet-stream"
)

// TestUploads is the protocol as clients see it.
func TestUploads(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	a := w.ask("", "OPTIONS", "/api/v1/uploads", nil)
	if a.status != http.StatusNoContent || a.header.Get("Tus-Version") != "1.0.0" || a.header.Get("Tus-Max-Size") != fmt.Sprint(1<<30) {
		t.Errorf("%d %v", a.status, a.header)
	}
	id := w.create(w.integrator, 0).ID
	create := func(headers ...string) answer {
		return w.ask(w.integrator, "POST", "/api/v1/uploads", nil, headers...)
	}
	w.problem(create("Upload-Length: 3"), http.StatusPreconditionFailed, "tus-version")
	w.problem(create(tusVersion, "Upload-Metadata: "+metadata(id, "x")), http.StatusBadRequest, "upload-length-invalid")
	w.problem(create(tusVersion, "Upload-Length: 3"), http.StatusBadRequest, "upload-metadata-invalid")
	w.problem(create(tusVersion, "Upload-Length: 3", "Upload-Metadata: "+metadata(id, "")), http.StatusBadRequest, "upload-metadata-invalid")
	w.problem(create(tusVersion, "Upload-Length: 9999999999", "Upload-Metadata: "+metadata(id, "x")), http.StatusRequestEntityTooLarge, "upload-too-large")
	for _, unknown := range []string{store.NewID(), "../" + id, "\x00", id + "\x00"} {
		w.problem(create(tusVersion, "Upload-Length: 3", "Upload-Metadata: "+metadata(unknown, "x")), http.StatusNotFound, "upload-not-found")
	}
	a = create(tusVersion, "Upload-Length: 6", "Upload-Metadata: "+metadata(id, "Röntgen.dcm"))
	w.into(a, http.StatusCreated, nil)
	at := a.header.Get("Location")
	sum := sha256.Sum256([]byte("abc"))
	good := "Upload-Checksum: sha256 " + base64.StdEncoding.EncodeToString(sum[:])
	patch := func(offset, body string, headers ...string) answer {
		return w.ask(w.integrator, "PATCH", at, body, append(headers, tusVersion, tusBytes, "Upload-Offset: "+offset)...)
	}
	w.problem(patch("0", "abx", good), problem.New(problem.UploadChecksumDiffers, "").Status, "upload-checksum-differs")
	w.problem(patch("1", "abc", good), http.StatusConflict, "upload-offset-differs")
	w.into(patch("0", "abc", good), http.StatusNoContent, nil)
	w.problem(w.ask(w.integrator, "POST", "/api/v1/imports/"+id+"/complete", nil), http.StatusUnprocessableEntity, "invalid", "body.uploads: unfinished")
	a = w.ask(w.integrator, "HEAD", at, nil, tusVersion)
	if a.status != http.StatusOK || a.header.Get("Upload-Offset") != "3" || a.header.Get("Upload-Length") != "6" || a.header.Get("Upload-Metadata") == "" {
		t.Errorf("%d %v", a.status, a.header)
	}
	w.into(w.ask(w.integrator, "DELETE", at, nil, tusVersion), http.StatusNoContent, nil)
	if a = w.ask(w.integrator, "HEAD", at, nil, tusVersion); a.status != http.StatusNotFound {
		t.Errorf("after the end: %d", a.status)
	}
	w.problem(patch("3", "def"), http.StatusNotFound, "upload-not-found")
	w.problem(w.ask(w.integrator, "POST", "/api/v1/imports/"+id+"/complete", nil), http.StatusUnprocessableEntity, "invalid", "body.uploads: missing")
	w.into(w.ask(w.integrator, "POST", "/api/v1/imports/"+id+"/cancel", nil), http.StatusOK, nil)
	w.problem(create(tusVersion, "Upload-Length: 3", "Upload-Metadata: "+metadata(id, "x")), http.StatusGone, "upload-gone")
}
