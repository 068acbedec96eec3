package peer

import (
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"golang.org/x/sys/unix"
)

// S3Peer is a running versitygw, an S3 server over a folder.
type S3Peer struct {
	*Process
	Port                 int
	Region               string
	AccessKey, SecretKey string
	client               *minio.Client
}

// VersityGW starts versitygw over an empty folder. It is looked for in the PATH, in
// ./bin of the module, where scripts/setup puts it, and where go install does.
func VersityGW(t testing.TB) *S3Peer {
	t.Helper()
	dir := attributed(t)
	s := &S3Peer{
		Port: FreePort(t), Region: "us-east-1",
		AccessKey: "test" + rand.Text()[:8], SecretKey: rand.Text(),
	}
	for _, sub := range []string{"objects", "versions"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s.Process = start(t, dir, versitygw(t), s.Port, "--quiet", "--region", s.Region, "--access", s.AccessKey, "--secret", s.SecretKey,
		"--port", "127.0.0.1:"+strconv.Itoa(s.Port),
		"posix", "--versioning-dir", filepath.Join(dir, "versions"), filepath.Join(dir, "objects"))
	client, err := minio.New("127.0.0.1:"+strconv.Itoa(s.Port), &minio.Options{
		Creds: credentials.NewStaticV4(s.AccessKey, s.SecretKey, ""), Region: s.Region, BucketLookup: minio.BucketLookupPath,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.client = client
	return s
}

// versitygw finds the program or skips the test.
func versitygw(t testing.TB) string {
	t.Helper()
	places := []string{"versitygw"}
	if root := moduleRoot(); root != "" {
		places = append(places, filepath.Join(root, "bin", "versitygw"))
	}
	if home, err := os.UserHomeDir(); err == nil {
		places = append(places, filepath.Join(home, "go", "bin", "versitygw"))
	}
	for _, place := range places {
		if path, err := exec.LookPath(place); err == nil {
			return path
		}
	}
	t.Skip("versitygw is not installed: scripts/setup does it")
	return ""
}

// attributed makes a folder where files can have extended attributes, or skips the
// test. The server needs them: with its metadata in files of their own (--sidecar),
// of two puts with the same If-Match, both may succeed.
func attributed(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if unix.Setxattr(dir, "user.test", []byte("x"), 0) == nil {
		return dir
	}
	other, err := os.MkdirTemp("/var/tmp", "versitygw-*")
	if err != nil {
		t.Skipf("versitygw needs extended attributes, which %s has not: %v", dir, err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(other) })
	if err := unix.Setxattr(other, "user.test", []byte("x"), 0); err != nil {
		t.Skipf("versitygw needs extended attributes, which neither %s nor %s has: %v", dir, other, err)
	}
	return other
}

// moduleRoot is the folder of go.mod above the test, or empty.
func moduleRoot() string {
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			break
		}
		dir = parent
	}
	return ""
}

// Endpoint is the URL of the server.
func (s *S3Peer) Endpoint() string { return "http://127.0.0.1:" + strconv.Itoa(s.Port) }

// Client is one with all rights.
func (s *S3Peer) Client() *minio.Client { return s.client }

// Bucket makes a new bucket and gives its name.
func (s *S3Peer) Bucket(t testing.TB) string {
	t.Helper()
	name := "b-" + strings.ToLower(rand.Text()[:16])
	if err := s.client.MakeBucket(t.Context(), name, minio.MakeBucketOptions{Region: s.Region}); err != nil {
		t.Fatal(err)
	}
	return name
}

// CopyBucket makes a new bucket with what is in another and gives its name.
func (s *S3Peer) CopyBucket(t testing.TB, from string) string {
	t.Helper()
	to := s.Bucket(t)
	for o := range s.client.ListObjectsIter(t.Context(), from, minio.ListObjectsOptions{Recursive: true}) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		if _, err := s.client.CopyObject(t.Context(), minio.CopyDestOptions{Bucket: to, Object: o.Key}, minio.CopySrcOptions{Bucket: from, Object: o.Key}); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// VersionedBucket makes a new bucket that keeps what is deleted.
func (s *S3Peer) VersionedBucket(t testing.TB) string {
	t.Helper()
	name := s.Bucket(t)
	if err := s.client.EnableVersioning(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	return name
}
