// Package bucket is what the blob store and the keyring need of an S3 server: put
// with a checksum and conditions, ranged get, list and delete of objects in one
// bucket, and errors that say whether to try again.
package bucket

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

const (
	// requestTime bounds one request with its retries.
	requestTime = 5 * time.Minute
	// tries is how often the client itself makes a request that failed for a moment.
	tries = 3
)

// Bucket is a bucket, or what is under a prefix of one. It is safe for concurrent
// use.
type Bucket struct {
	client *minio.Core
	name   string
	prefix string
}

// Open makes a client of a bucket. It asks the server nothing.
func Open(c Config) (*Bucket, error) {
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.Trim(u.Path, "/") != "" || u.User != nil {
		return nil, fmt.Errorf("the S3 endpoint must be like https://host:port")
	}
	if c.Bucket == "" {
		return nil, fmt.Errorf("the S3 bucket has no name")
	}
	if c.Prefix != "" && !strings.HasSuffix(c.Prefix, "/") {
		c.Prefix += "/"
	}
	lookup := minio.BucketLookupAuto
	if c.PathStyle {
		lookup = minio.BucketLookupPath
	}
	client, err := minio.NewCore(u.Host, &minio.Options{
		Creds:  credentials.NewStaticV4(c.AccessKey, c.SecretKey, c.SessionToken),
		Secure: u.Scheme == "https", Region: c.Region, BucketLookup: lookup, Transport: transport(c), MaxRetries: tries,
	})
	if err != nil {
		return nil, fmt.Errorf("the S3 client: %w", err)
	}
	return &Bucket{client: client, name: c.Bucket, prefix: c.Prefix}, nil
}

func transport(c Config) *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: time.Minute,
		ExpectContinueTimeout: 5 * time.Second,
		IdleConnTimeout:       time.Minute,
		MaxIdleConnsPerHost:   32,
		DisableCompression:    true, // ranges are of the bytes as they are
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.Roots},
	}
}

// Condition of a put. At most one field is set.
type Condition struct {
	Absent bool   // there must be no object
	Match  string // the object must have this ETag
}

// Put makes an object of size bytes, whose SHA-256 the server checks. [ErrCondition]
// when the condition does not hold.
func (b *Bucket) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, sum []byte, c Condition) error {
	ctx, cancel := begin(ctx)
	defer cancel()
	o := minio.PutObjectOptions{ContentType: "application/octet-stream", DisableContentSha256: true}
	if c.Absent {
		o.SetMatchETagExcept("*")
	}
	if c.Match != "" {
		o.SetMatchETag(c.Match)
	}
	_, err := b.client.PutObject(ctx, b.name, b.prefix+key, body, size, "", hex.EncodeToString(sum), o)
	return failure(ctx, "put", err)
}

// PutBytes is Put of what is in memory.
func (b *Bucket) PutBytes(ctx context.Context, key string, body []byte, c Condition) error {
	sum := sha256.Sum256(body)
	return b.Put(ctx, key, bytes.NewReader(body), int64(len(body)), sum[:], c)
}

// ReadAt fills p from an object, or gives io.EOF at its end.
func (b *Bucket) ReadAt(ctx context.Context, key string, p []byte, off int64) (int, error) {
	ctx, cancel := begin(ctx)
	defer cancel()
	o := minio.GetObjectOptions{}
	length := max(len(p), 1) // there is no empty range
	if err := o.SetRange(off, off+int64(length)-1); err != nil {
		return 0, failure(ctx, "get", err)
	}
	body, _, _, err := b.client.GetObject(ctx, b.name, b.prefix+key, o)
	if err != nil {
		if err = failure(ctx, "get", err); errors.Is(err, errRange) {
			return 0, io.EOF
		}
		return 0, err
	}
	defer func() { _ = body.Close() }() // nothing was written
	n, err := io.ReadFull(body, p)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return n, io.EOF
	}
	return n, failure(ctx, "get", err)
}

// Get reads a whole object of at most limit bytes, and gives its ETag.
func (b *Bucket) Get(ctx context.Context, key string, limit int64) ([]byte, string, error) {
	ctx, cancel := begin(ctx)
	defer cancel()
	body, info, _, err := b.client.GetObject(ctx, b.name, b.prefix+key, minio.GetObjectOptions{})
	if err != nil {
		return nil, "", failure(ctx, "get", err)
	}
	defer func() { _ = body.Close() }() // nothing was written
	all, err := io.ReadAll(io.LimitReader(body, limit))
	return all, info.ETag, failure(ctx, "get", err)
}

// Exists says whether there is an object. It reads a byte: the answer to HEAD has no
// body that tells an absent object from other reasons.
func (b *Bucket) Exists(ctx context.Context, key string) (bool, error) {
	_, err := b.ReadAt(ctx, key, make([]byte, 1), 0)
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return true, nil
	case errors.Is(err, ErrNotFound):
		return false, nil
	}
	return false, err
}

// Delete removes objects. Absent ones are no error.
func (b *Bucket) Delete(ctx context.Context, keys ...string) error {
	ctx, cancel := begin(ctx)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(keys) == 1 {
		err := failure(ctx, "delete", b.client.RemoveObject(ctx, b.name, b.prefix+keys[0], minio.RemoveObjectOptions{}))
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		return err
	}
	objects := func(yield func(minio.ObjectInfo) bool) {
		for _, key := range keys {
			if !yield(minio.ObjectInfo{Key: b.prefix + key}) {
				return
			}
		}
	}
	results, err := b.client.RemoveObjectsWithIter(ctx, b.name, objects, minio.RemoveObjectsOptions{})
	if err != nil {
		return failure(ctx, "delete", err)
	}
	var first error
	for r := range results {
		if err := failure(ctx, "delete", r.Err); err != nil && first == nil && !errors.Is(err, ErrNotFound) {
			first = err
		}
	}
	return first
}

// Object is one of a listing.
type Object struct {
	Key      string
	Size     int64
	Modified time.Time
}

// List gives the objects whose keys begin with prefix.
func (b *Bucket) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		if err := ctx.Err(); err != nil {
			yield(Object{}, err)
			return
		}
		o := minio.ListObjectsOptions{Prefix: b.prefix + prefix, Recursive: true}
		for info := range b.client.ListObjectsIter(ctx, b.name, o) {
			if err := failure(ctx, "list", info.Err); err != nil {
				yield(Object{}, err)
				return
			}
			if strings.HasSuffix(info.Key, "/") {
				continue // a folder that some server shows
			}
			key := strings.TrimPrefix(info.Key, b.prefix)
			if !yield(Object{Key: key, Size: info.Size, Modified: info.LastModified}, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(Object{}, err)
		}
	}
}

// Folders gives the names that come next in keys that begin with prefix, up to the
// next slash.
func (b *Bucket) Folders(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		if err := ctx.Err(); err != nil {
			yield("", err)
			return
		}
		for info := range b.client.ListObjectsIter(ctx, b.name, minio.ListObjectsOptions{Prefix: b.prefix + prefix}) {
			if err := failure(ctx, "list", info.Err); err != nil {
				yield("", err)
				return
			}
			name, ok := strings.CutSuffix(strings.TrimPrefix(info.Key, b.prefix+prefix), "/")
			if ok && !yield(name, nil) {
				return
			}
		}
	}
}

// Versioned says whether the bucket keeps what was deleted: versions, also of a
// time when it was versioned.
func (b *Bucket) Versioned(ctx context.Context) (bool, error) {
	ctx, cancel := begin(ctx)
	defer cancel()
	c, err := b.client.GetBucketVersioning(ctx, b.name)
	if err == nil {
		return c.Status != "", nil
	}
	var e minio.ErrorResponse
	if errors.As(err, &e) && (e.Code == "NotImplemented" || e.Code == "VersioningNotConfigured") {
		return false, nil // a server that has no versions at all
	}
	return false, failure(ctx, "versioning", err)
}

// Multipart makes an object of parts, each but the last of at least 5 MiB.
func (b *Bucket) Multipart(ctx context.Context, key string, parts ...[]byte) error {
	ctx, cancel := begin(ctx)
	defer cancel()
	id, err := b.client.NewMultipartUpload(ctx, b.name, b.prefix+key, minio.PutObjectOptions{ContentType: "application/octet-stream"})
	if err != nil {
		return failure(ctx, "multipart upload", err)
	}
	var done []minio.CompletePart
	for i, part := range parts {
		sum := sha256.Sum256(part)
		o := minio.PutObjectPartOptions{Sha256Hex: hex.EncodeToString(sum[:]), DisableContentSha256: true}
		p, err := b.client.PutObjectPart(ctx, b.name, b.prefix+key, id, i+1, bytes.NewReader(part), int64(len(part)), o)
		if err != nil {
			_ = b.client.AbortMultipartUpload(context.WithoutCancel(ctx), b.name, b.prefix+key, id) // the put's error counts
			return failure(ctx, "multipart upload", err)
		}
		done = append(done, minio.CompletePart{PartNumber: p.PartNumber, ETag: p.ETag})
	}
	_, err = b.client.CompleteMultipartUpload(ctx, b.name, b.prefix+key, id, done, minio.PutObjectOptions{})
	return failure(ctx, "multipart upload", err)
}

func begin(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, requestTime)
}
