package inspect

import (
	"io"

	"lotse/internal/importer"
)

// knownLen is how much of a packed file is asked for before it is opened: most
// headers fit.
const knownLen = 8 << 10

// lazy is a file whose beginning is known and which is opened only when more of
// it is wanted.
type lazy struct {
	pkg   importer.Package
	item  int
	known []byte // still to be read
	past  int64  // how much of the file known was
	src   io.ReadCloser
	err   error
}

// openFile opens file i, or only looks at its beginning, which goes into buf.
func openFile(pkg importer.Package, i int, buf []byte) (io.ReadCloser, error) {
	if h, ok := pkg.(importer.Header); ok {
		if n := h.Head(i, buf); n > 0 {
			return &lazy{pkg: pkg, item: i, known: buf[:n], past: int64(n)}, nil
		}
	}
	return pkg.Open(i)
}

func (a *lazy) Read(p []byte) (int, error) {
	if len(a.known) > 0 {
		n := copy(p, a.known)
		a.known = a.known[n:]
		return n, nil
	}
	if a.src == nil && a.err == nil {
		a.src, a.err = a.pkg.Open(a.item)
		if a.err == nil {
			_, a.err = io.CopyN(io.Discard, a.src, a.past)
		}
	}
	if a.err != nil {
		return 0, a.err
	}
	return a.src.Read(p)
}

// Close ends reading.
func (a *lazy) Close() error {
	if a.src == nil {
		return nil
	}
	return a.src.Close()
}
