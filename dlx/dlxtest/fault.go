package dlxtest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Body answers with a fixed body.
func Body(status int, contentType, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	})
}

// JSON answers 200 with JSON under a wrong type.
func JSON(body string) http.Handler { return Body(http.StatusOK, "text/html", body) }

// Status answers with a status and a page.
func Status(status int) http.Handler {
	return Body(status, "text/html", "<html><body>"+http.StatusText(status)+"</body></html>")
}

// HTML answers 200 with a page for people.
func HTML() http.Handler { return Status(http.StatusOK) }

// NotReady answers 503 as the specification says; the value may be any JSON.
func NotReady(seconds string) http.Handler {
	return Body(http.StatusServiceUnavailable, "application/json", `{"timeOutInSeconds":`+seconds+`}`)
}

// RetryAfter answers with a status and the header Retry-After.
func RetryAfter(status int, seconds int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
		Status(status).ServeHTTP(w, r)
	})
}

// Redirect answers with a Location, as it is.
func Redirect(status int, location string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", location)
		w.WriteHeader(status)
	})
}

// Cut lets the portal answer correctly and breaks the connection after n
// bytes of the body.
func (p *Portal) Cut(n int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		endpoint, value := route(r)
		p.behave(&cutter{ResponseWriter: w, left: n}, r, endpoint, value, "")
	})
}

type cutter struct {
	http.ResponseWriter
	left int
}

func (c *cutter) Write(b []byte) (int, error) {
	if len(b) < c.left {
		c.left -= len(b)
		return c.ResponseWriter.Write(b)
	}
	_, _ = c.ResponseWriter.Write(b[:c.left])
	_ = http.NewResponseController(c.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}

// CutChunked sends n bytes of the file without a length, then breaks.
func (p *Portal) CutChunked(n int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(p.File[:n])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
}

// Whole answers with the whole file, whatever range was asked for, and breaks
// the connection after n bytes when n >= 0.
func (p *Portal) Whole(n int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.Clone(r.Context())
		r.Header.Del("Range")
		r.Header.Del("If-Range")
		if n >= 0 {
			w = &cutter{ResponseWriter: w, left: n}
		}
		p.file(w, r)
	})
}

// Range answers 206 with a Content-Range and a body of one's own.
func Range(contentRange, etag string, body []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Range", contentRange)
		if etag != "" {
			w.Header().Set("ETag", etag)
		}
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(body)
	})
}

// Chunk answers a range with at most n bytes of it.
func (p *Portal) Chunk(n int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first := 0
		_, _ = fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &first)
		last := min(first+n, len(p.File)) - 1
		Range(fmt.Sprintf("bytes %d-%d/%d", first, last, len(p.File)), p.ETag, p.File[first:last+1]).ServeHTTP(w, r)
	})
}

// ShortLength announces more than it sends.
func (p *Portal) ShortLength(extra int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(p.File)+extra))
		_, _ = w.Write(p.File)
		panic(http.ErrAbortHandler)
	})
}

// Stall sends n bytes of the file and then nothing until the client leaves.
func (p *Portal) Stall(n int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(p.File)))
		if p.ETag != "" {
			w.Header().Set("ETag", p.ETag)
		}
		_, _ = w.Write(p.File[:n])
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
}

// Huge answers with n bytes of valid JSON of many empty entries.
func Huge(property string, n int) http.Handler {
	return Body(http.StatusOK, "application/json", `{"`+property+`":[`+strings.Repeat("{},", n/3)+`{}]}`)
}

// GzipBomb answers with JSON that is small only while compressed.
func GzipBomb(n int) http.Handler {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte(`{"tfaQuestion":[],"x":"`))
	for range n >> 16 {
		_, _ = z.Write(bytes.Repeat([]byte(" "), 1<<16))
	}
	_, _ = z.Write([]byte(`"}`))
	_ = z.Close()
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(packed.Bytes())
	})
}
