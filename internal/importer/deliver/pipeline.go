package deliver

import (
	"context"
	"errors"
	"io"
	"sync"

	"lotse/dicom"
)

const (
	chunkSize       = 128 << 10
	chunksPerObject = 8 // 1 MiB of one object in flight
	objectsAhead    = 8
)

// pipeline renders objects in order, some ahead of the one being sent.
type pipeline struct {
	cancel  context.CancelFunc
	streams chan *stream
	workers sync.WaitGroup
}

// job is one object to render and the form its context asks for.
type job struct {
	index int
	form  Form
}

// startPipeline renders jobs with the given number of workers.
func startPipeline(ctx context.Context, objects Objects, jobs []job, workers int, chunks *chunks) *pipeline {
	ctx, cancel := context.WithCancel(ctx)
	p := &pipeline{cancel: cancel, streams: make(chan *stream, objectsAhead)}
	work := make(chan *stream)
	p.workers.Go(func() {
		defer close(work)
		defer close(p.streams)
		for _, j := range jobs {
			s := newStream(ctx, j, chunks)
			select {
			case p.streams <- s:
			case <-ctx.Done():
				return
			}
			select {
			case work <- s:
			case <-ctx.Done():
				s.finish(Rendered{}, ctx.Err())
				return
			}
		}
	})
	for range workers {
		p.workers.Go(func() {
			var rd dicom.Reader
			for s := range work {
				r, err := objects.Render(ctx, s.index, &rd, s, s.form)
				s.finish(r, err)
			}
		})
	}
	return p
}

// stop ends all rendering and waits for it.
func (p *pipeline) stop() {
	p.cancel()
	for s := range p.streams {
		s.recycle()
	}
	p.workers.Wait()
}

// stream is one object on its way from a worker to the wire: a bounded run of
// chunks. It is an io.Writer and io.ReaderFrom for the worker and dimse.Chunks for
// the sender.
type stream struct {
	job
	ctx    context.Context
	chunks *chunks
	full   chan []byte
	room   chan struct{} // one token per chunk that may exist
	cur    []byte        // being filled
	last   []byte        // with the sender
	ahead  []byte        // taken from full, for the sender's next call
	result Rendered
	err    error
}

func newStream(ctx context.Context, j job, chunks *chunks) *stream {
	return &stream{job: j, ctx: ctx, chunks: chunks,
		full: make(chan []byte, chunksPerObject), room: make(chan struct{}, chunksPerObject)}
}

var errStopped = errors.New("the delivery of this object was stopped")

// grow makes sure that cur has room.
func (s *stream) grow() error {
	if s.cur != nil && len(s.cur) < chunkSize {
		return nil
	}
	if err := s.push(); err != nil {
		return err
	}
	select {
	case s.room <- struct{}{}:
	case <-s.ctx.Done():
		return errStopped
	}
	s.cur = s.chunks.get()
	return nil
}

func (s *stream) push() error {
	if s.cur == nil {
		return nil
	}
	select {
	case s.full <- s.cur:
		s.cur = nil
		return nil
	case <-s.ctx.Done():
		return errStopped
	}
}

// Write copies p into chunks.
func (s *stream) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		if err := s.grow(); err != nil {
			return done, err
		}
		n := copy(s.cur[len(s.cur):chunkSize], p[done:])
		s.cur = s.cur[:len(s.cur)+n]
		done += n
	}
	return done, nil
}

// ReadFrom reads r to its end, directly into chunks.
func (s *stream) ReadFrom(r io.Reader) (int64, error) {
	var done int64
	for {
		if err := s.grow(); err != nil {
			return done, err
		}
		n, err := r.Read(s.cur[len(s.cur):chunkSize])
		s.cur = s.cur[:len(s.cur)+n]
		done += int64(n)
		if err == io.EOF {
			return done, nil
		}
		if err != nil {
			return done, err
		}
	}
}

// finish ends the stream after the worker's last byte.
func (s *stream) finish(r Rendered, err error) {
	s.result = r
	if err == nil {
		err = s.push()
	}
	s.err = err
	close(s.full)
}

// Next gives the next chunk to the sender and takes the one before back. The last
// one comes together with io.EOF, so that a small object is one write.
func (s *stream) Next() ([]byte, error) {
	s.giveBack()
	c, ok := s.ahead, s.ahead != nil
	if !ok {
		c, ok = <-s.full
	}
	s.ahead = nil
	if !ok {
		return nil, s.end()
	}
	s.last = c
	if s.ahead, ok = <-s.full; !ok {
		s.ahead = nil
		return c, s.end()
	}
	return c, nil
}

func (s *stream) end() error {
	if s.err != nil {
		return s.err
	}
	return io.EOF
}

func (s *stream) giveBack() {
	if s.last != nil {
		s.chunks.put(s.last)
		s.last = nil
		<-s.room
	}
}

// recycle empties a stream nobody will send.
func (s *stream) recycle() {
	s.giveBack()
	if s.ahead != nil {
		s.chunks.put(s.ahead)
		s.ahead = nil
	}
	for c := range s.full {
		s.chunks.put(c)
	}
}

// chunks lends buffers and keeps them for the next object: unlike a sync.Pool it
// does not drop them at every collection.
type chunks struct{ free chan []byte }

func newChunks() *chunks { return &chunks{free: make(chan []byte, objectsAhead*chunksPerObject)} }

func (c *chunks) get() []byte {
	select {
	case b := <-c.free:
		return b[:0]
	default:
		return make([]byte, 0, chunkSize)
	}
}

func (c *chunks) put(b []byte) {
	select {
	case c.free <- b:
	default: // as many as are ever needed are there already
	}
}
