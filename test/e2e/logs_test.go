package e2e

import (
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"lotse/test/peer"
)

// TestLogsNameNobody: with everything logged, neither the address of a client, as it
// connects or as a proxy says it, nor what it calls itself is in the logs; they are in
// files of their own that others cannot read.
func TestLogsNameNobody(t *testing.T) {
	const agent, forwarded = "MarkedAgent/7.7", "203.0.113.77"
	dicom := peer.FreePort(t)
	s := startServer(t, nil, "LOTSE_LOG_LEVEL=debug", "LOTSE_LOG_DIR=logs", "LOTSE_TRUSTED_PROXIES=127.0.0.1", "LOTSE_DICOM_LISTEN=127.0.0.1:"+strconv.Itoa(dicom))
	for _, path := range []string{"/imports", "/imports/none", "/destinations", "/../x", "/uploads"} {
		for _, method := range []string{http.MethodGet, http.MethodPost, "STRANGE"} {
			resp, _ := s.request(method, path, map[string]string{"User-Agent": agent, "X-Forwarded-For": forwarded, "Forwarded": "for=" + forwarded, "Referer": "http://" + forwarded + "/"}, []byte("{"))
			if resp.StatusCode == http.StatusBadGateway {
				t.Fatal(resp.Status)
			}
		}
	}
	for _, to := range []int{s.port, dicom} { // what no request can be made of
		conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(to))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Write([]byte("\x16\x03\x01 GET / " + agent + "\r\n\r\n"))
		_ = conn.SetReadDeadline(time.Now().Add(2 * time.Second))
		_, _ = conn.Read(make([]byte, 1))
		_ = conn.Close()
	}
	_, _ = peer.Try(t, "echoscu", "-aet", "NOBODY", "127.0.0.1", strconv.Itoa(dicom)) // is refused
	var log strings.Builder
	peer.Await(t, patience, "the refused sender to be told", func() bool {
		log.Reset()
		err := filepath.WalkDir(filepath.Join(s.dir, "logs"), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			raw, err := os.ReadFile(path)
			log.Write(raw)
			if info, e := d.Info(); e != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s can be read by others (%v)", d.Name(), e)
			}
			return err
		})
		return err == nil && strings.Contains(log.String(), "NOBODY")
	})
	if !strings.Contains(log.String(), "msg=request") || !strings.Contains(log.String(), "[address]") {
		t.Errorf("the log is\n%s", &log)
	}
	for _, mark := range []string{agent, forwarded, "MarkedAgent", "127.0.0.1", s.tokens.Importer} {
		if strings.Contains(log.String(), mark) || strings.Contains(s.out.String(), mark) && mark != "127.0.0.1" {
			t.Errorf("%s is in the log:\n%s", mark, &log)
		}
	}
}
