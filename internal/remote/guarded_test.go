package remote

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// TestNothingPersonalIsPrinted formats what travels to a server in every usual way.
func TestNothingPersonalIsPrinted(t *testing.T) {
	const secret = "Erika4711"
	request := Request{Sources: []string{secret}, Known: Known{BirthDate: secret, Password: secret}, Decision: Decision{Reason: secret}}
	var out bytes.Buffer
	for _, value := range []any{request, &request, request.Known, request.Decision, []any{request}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			fmt.Fprintf(&out, verb+"\n", value)
		}
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "request", request)
	if text := out.String(); strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) || !strings.Contains(text, "[redacted]") {
		t.Errorf("printed:\n%s", text)
	}
}
