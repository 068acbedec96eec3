// Package source turns what a person holds into an [importer.Package]: a link, a
// picture with a QR code of one, a ZIP archive, a folder, a file, or several of
// them. What something is, its bytes say, never its name.
//
// Open does all of it at once, for the life of a process. What must survive the
// process comes in two halves: Fetch follows a link and keeps what is behind it as
// parts, in as many runs as it takes, and Assemble opens parts, fetched or handed in, as
// the same package. Open is made of these two.
//
// Nothing is unpacked: a file in an archive is inflated each time it is opened, and
// memory depends on the number of files only. What has to be read at any offset but
// cannot be where it lies, a download or a packed archive inside an archive, is kept by
// the caller's Keeper and Deriver, or without them in a scratch file that holds no
// plaintext and vanishes with Close or the process.
//
// What cannot be opened, or must not be, stays in the package with a reason. The
// package does not judge what the files mean; that is for the next stage.
package source

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"syscall"
	"time"

	"lotse/dlx"
	"lotse/internal/importer"
	"lotse/internal/importer/source/archive"
)

// Request says what to open. The zero value of everything but Sources is useful.
// It holds secrets: never log it.
type Request struct {
	// Sources are links (http, https), or paths of folders and files.
	Sources []string
	// Picture is an image with a QR code of the link, for Fetch with no Sources.
	Picture *io.SectionReader
	// AsDocument takes pictures for documents: no QR code is looked for.
	AsDocument bool
	// Answers answer a portal's questions by their id; "token" is the token of a
	// link that does not show it.
	Answers map[string]string
	// BirthDate, StudyDate and Password answer questions by their type. Password is
	// also tried on encrypted archives, and so is the answer "archive".
	BirthDate, StudyDate, Password string
	// Select chooses among what a link gives; see selection. Empty: Hooks.Choose,
	// or everything.
	Select []string
	// Chosen chooses by position from 0 instead, as a ProblemChoice lists them.
	Chosen []int
	// Later, for Fetch and Assemble, returns to the caller what has an answer of its own otherwise: a choice
	// among several is a problem of code ProblemChoice (ProblemSelection when Select names
	// nothing of them), and an encrypted archive one of
	// code ProblemQuestion, or ProblemAnswer when the password was wrong. An
	// archive's question has an id of its own ("archive.2"); an empty answer to it
	// leaves its files out.
	Later bool
	// AllowHosts are hosts ("host", "host:port") that answers may go to although
	// the link names another site.
	AllowHosts []string
	// Careful has every host confirmed that answers go to, also the link's own: whoever
	// handed it in may not have looked. What is not in AllowHosts is a problem of code
	// ProblemUnknownHost.
	Careful bool
	// InsecureHTTP permits http to other hosts than this machine.
	InsecureHTTP bool
	// Languages are asked for, most wanted first (BCP 47).
	Languages []string
	// Patience is how long a portal that asks for time is waited for; 10 minutes when 0.
	Patience time.Duration
	// UserAgent names the software to portals.
	UserAgent string
	// Control is called with every address before it is connected to; an error
	// keeps a link from reaching into the own network. nil permits all.
	Control func(network, address string, conn syscall.RawConn) error
	// Transport replaces the HTTP transport, Control with it.
	Transport http.RoundTripper
	// Derived keeps what Assemble has to make to read archives in archives; nil: a scratch file.
	Derived Deriver
	// ScratchDir is where scratch files lie; the system's folder when empty.
	ScratchDir string
	Limits     Limits
}

// Limits bound what hostile sources can cost. Zero values stand for the defaults.
type Limits struct {
	// Archive bounds each archive. Its Entries also bounds the whole package.
	Archive archive.Limits
	// Depth is how many archives may lie in each other below the source; 3 when 0.
	Depth int
	// Scratch bounds what is kept apart from the sources, fetched by Open or derived, in
	// bytes; 512 GiB when 0.
	Scratch int64
	// Total bounds the declared size of all files together, in bytes; 4 TiB when 0.
	Total int64
	// Pixels bounds a picture that is searched for a QR code; 30 million when 0.
	Pixels int
}

func (l Limits) orDefaults() Limits {
	or := func(v *int64, otherwise int64) {
		if *v == 0 {
			*v = otherwise
		}
	}
	or(&l.Scratch, 512<<30)
	or(&l.Total, 4<<40)
	if l.Archive.Entries == 0 {
		l.Archive.Entries = 500_000
	}
	if l.Depth == 0 {
		l.Depth = 3
	}
	if l.Pixels == 0 {
		l.Pixels = 30_000_000
	}
	return l
}

// Hooks ask a person. Each may be nil: then nobody can be asked. Open is not done
// before a hook returns; an error of one ends Open, and is best an *importer.Problem.
type Hooks struct {
	// Ask answers questions of a portal, by question id. nil: a missing answer is a
	// problem of code ProblemQuestion that has the questions.
	Ask func(ctx context.Context, portalHost string, questions []importer.Question) (map[string]string, error)
	// Password asks for the password of an archive; archiveName is for people, and
	// may name one. Empty: the person has none. What was typed is tried as it is; when
	// it is wrong, Retry decides, or without it the question comes again, three times
	// in all for each archive. nil: encrypted files are left out.
	Password func(ctx context.Context, archiveName string) (string, error)
	// Retry is told that answers were refused (ProblemRefused) or are not what the
	// question wants (ProblemAnswer), and says whether to ask again; at most three
	// times in all, since portals lock links. nil: never.
	Retry func(ctx context.Context, problem *importer.Problem) bool
	// Choose selects among what a link gives, by position from 0. nil: everything.
	Choose func(ctx context.Context, listed []importer.Listed) ([]int, error)
	// ConfirmHost permits that answers go to a host that is not of the link's site.
	// nil: it is a problem of code ProblemForeignHost.
	ConfirmHost func(ctx context.Context, host string) (bool, error)
	// Progress is told while bytes are fetched. It must not block.
	Progress func(importer.Progress)
}

// Open opens all sources as one package. Its error is an *importer.Problem.
func Open(ctx context.Context, req Request, hooks Hooks) (*Opened, error) {
	req.Limits = req.Limits.orDefaults()
	b := &builder{ctx: ctx, req: &req, hooks: hooks, limits: req.Limits, opened: &Opened{}}
	if err := b.build(); err != nil {
		_ = b.opened.Close()
		return nil, problem(ctx, err)
	}
	return b.opened, nil
}

func (b *builder) build() error {
	if len(b.req.Sources) == 0 {
		return &importer.Problem{Code: importer.ProblemUsage, Err: errors.New("source: nothing to open")}
	}
	if err := b.req.known(); err != nil {
		return err
	}
	b.sources = len(b.req.Sources)
	for _, s := range b.req.Sources {
		if err := b.source(s); err != nil {
			return err
		}
	}
	if len(b.req.Select) > 0 && !b.listed {
		return &importer.Problem{Code: importer.ProblemUsage, Err: errors.New("source: only a link has a list to select from")}
	}
	return b.finish()
}

// finish judges what all sources gave together.
func (b *builder) finish() error {
	if len(b.opened.refs) == 0 {
		return &importer.Problem{Code: importer.ProblemNothing, Err: errors.New("source: no files")}
	}
	if err := b.keyhole(); err != nil {
		return err
	}
	b.opened.origin = b.origin()
	return nil
}

// known checks the answers that are given by type before anyone is asked anything.
func (r *Request) known() error {
	for _, date := range []string{r.BirthDate, r.StudyDate} {
		if date == "" {
			continue
		}
		if _, err := dlx.ParseDate(date); err != nil {
			return &importer.Problem{Code: importer.ProblemAnswer, Err: err}
		}
	}
	return nil
}

// problem makes every failure an *importer.Problem.
func problem(ctx context.Context, err error) error {
	var p *importer.Problem
	switch {
	case errors.As(err, &p):
		return p
	case ctx.Err() != nil:
		return &importer.Problem{Code: importer.ProblemCancelled, Err: context.Cause(ctx)}
	case full(err):
		return &importer.Problem{Code: importer.ProblemDiskFull, Err: err}
	}
	return &importer.Problem{Code: importer.ProblemInternal, Err: err}
}

// bare takes the path out of an error of the file system: names of files are
// often names of persons.
func bare(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

var _ importer.Package = (*Opened)(nil)

// Opened is an open package, safe for concurrent use.
type Opened struct {
	origin  importer.Origin
	refs    []ref
	shelves []shelf
	closers []io.Closer
	failed  failure
}

// ref is a file of the package: a place on a shelf.
type ref struct{ shelf, place int32 }

// shelf is a part of a package whose files are opened in one way.
type shelf interface {
	file(place int32) importer.File
	open(place int32) (io.ReadCloser, error)
}

// Origin says where the package came from.
func (o *Opened) Origin() importer.Origin { return o.origin }

// Len is the number of files.
func (o *Opened) Len() int { return len(o.refs) }

// File describes file i, 0 ≤ i < Len.
func (o *Opened) File(i int) importer.File {
	r := o.refs[i]
	return o.shelves[r.shelf].file(r.place)
}

// Open opens file i from its beginning. Its errors, and those of reading what it
// returns, are *importer.OpenError and name no file. What is not packed is an io.Seeker.
func (o *Opened) Open(i int) (io.ReadCloser, error) {
	r := o.refs[i]
	s := o.shelves[r.shelf]
	if refused := s.file(r.place).Refused; refused != "" {
		return nil, &importer.OpenError{Reason: refused, Err: errRefused}
	}
	return s.open(r.place)
}

// Head reads the first bytes of file i into p where that is cheaper than to open
// it, and returns how many it got, 0 when it did not try.
func (o *Opened) Head(i int, p []byte) int {
	r := o.refs[i]
	s, ok := o.shelves[r.shelf].(interface {
		head(place int32, p []byte) int
	})
	if !ok || o.File(i).Refused != "" {
		return 0
	}
	return s.head(r.place, p)
}

var errRefused = errors.New("source: file cannot be opened")

// Close ends reading and gives all scratch space back.
func (o *Opened) Close() error {
	var all []error
	for _, c := range o.closers {
		all = append(all, c.Close())
	}
	o.closers = nil
	return errors.Join(all...)
}
