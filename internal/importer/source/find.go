package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"lotse/dlx"
	"lotse/internal/importer"
)

// Found is what a source turned out to be; one of its fields is set.
type Found struct {
	Links  []string // one, or those of a picture with QR codes, to be tried in their order
	Folder string
	File   string // an archive, or just a file
}

// Find says what a source of a request is, by its bytes: a DICOMDIR stands for its
// folder, a picture for the link in its QR code. A picture without one is a problem
// when it is alone, and a file among others. The error is an *importer.Problem.
func Find(ctx context.Context, source string, alone bool) (Found, error) {
	req := Request{Limits: Limits{}.orDefaults()}
	found, err := find(ctx, source, &req, alone)
	if err != nil {
		return Found{}, problem(ctx, err)
	}
	return found, nil
}

func find(ctx context.Context, source string, req *Request, alone bool) (Found, error) {
	if isLink(source) {
		return Found{Links: []string{source}}, nil
	}
	if source == "" { // an unset variable of a script, and not the folder one is in
		return Found{}, &importer.Problem{Code: importer.ProblemNoSource, Err: errors.New("source: no name")}
	}
	path := filepath.Clean(source)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Found{}, &importer.Problem{Code: importer.ProblemNoSource, Err: fmt.Errorf("source: %w", bare(err))}
	case err != nil:
		return Found{}, badSource(err)
	case info.IsDir():
		return Found{Folder: path}, nil
	case !info.Mode().IsRegular():
		return Found{}, badSource(errors.New("neither a file nor a folder"))
	}
	return findFile(ctx, path, req, alone)
}

// findFile looks into a file on the disk.
func findFile(ctx context.Context, path string, req *Request, alone bool) (Found, error) {
	f, err := os.OpenFile(path, openFlags, 0)
	if err != nil {
		return Found{}, badSource(err)
	}
	defer f.Close()
	data, err := local(f)
	if err != nil {
		return Found{}, badSource(err)
	}
	head, err := data.head()
	if err != nil {
		return Found{}, badSource(err)
	}
	switch kind := dlx.Sniff(head); {
	case kind == dlx.DICOM && isDICOMDIR(path, head):
		return Found{Folder: filepath.Dir(path)}, nil
	case (kind == dlx.PNG || kind == dlx.JPEG) && !req.AsDocument:
		links, err := links(ctx, data.section(), req.Limits.Pixels)
		if err == nil {
			return Found{Links: links}, nil
		}
		if ctx.Err() != nil || alone {
			return Found{}, err
		}
	}
	return Found{File: path}, nil
}
