package api_test

import (
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"lotse/internal/api"
)

// raw sends bytes as they are and returns all that is answered.
func (n *node) raw(t *testing.T, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(n.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	answer, _ := io.ReadAll(conn) // until the server closes, or resets, the connection
	return string(answer)
}

// TestSmuggling: a request whose bounds could be read in two ways is refused, and what
// hides behind it is not answered; TRACE is no method here.
func TestSmuggling(t *testing.T) {
	n := start(t, api.Options{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}, showClient)
	const hidden = "GET /client HTTP/1.1\r\nHost: x\r\nX-Request-Id: hidden-1\r\nConnection: close\r\n\r\n"
	for name, head := range map[string]string{
		"two lengths":        "Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
		"no number":          "Content-Length: +5\r\n\r\nhello",
		"negative":           "Content-Length: -1\r\n\r\n",
		"other coding":       "Transfer-Encoding: xchunked\r\n\r\n",
		"coding twice":       "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
		"space before colon": "Content-Length : 5\r\n\r\nhello",
		"control character":  "X-Forwarded-For: 1.2.3.4\x00\r\n\r\n",
		"bare return":        "X-Forwarded-For: 1.2.3.4\rX-Request-Id: y\r\n\r\n",
		"bad chunk":          "Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
	} {
		answer := n.raw(t, "POST /client HTTP/1.1\r\nHost: x\r\n"+head+hidden)
		if strings.Contains(answer, "hidden-1") {
			t.Errorf("%s: what was hidden is answered:\n%s", name, answer)
		}
	}
	both := n.raw(t, "POST /client HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"+hidden)
	if strings.Count(both, "HTTP/1.1 ") > 2 || strings.Contains(both, " 200 ") && !strings.Contains(both, "hidden-1") {
		t.Errorf("length and chunks: %s", both)
	}
	if answer := n.raw(t, hidden); !strings.Contains(answer, "hidden-1") || !strings.Contains(answer, " 200 ") {
		t.Errorf("in the open it is not answered either, so this test cannot fail:\n%s", answer)
	}
	if answer := n.raw(t, "TRACE /client HTTP/1.1\r\nHost: x\r\nCookie: secret\r\nConnection: close\r\n\r\n"); !strings.Contains(answer, " 405 ") || strings.Contains(answer, "secret") {
		t.Errorf("TRACE: %s", answer)
	}
	if answer := n.raw(t, "GET /client HTTP/1.1\r\nHost: x\r\nX-Long: "+strings.Repeat("x", 80<<10)+"\r\n\r\n"); !strings.Contains(answer, " 431 ") {
		t.Errorf("a long header: %.100s", answer)
	}
}
