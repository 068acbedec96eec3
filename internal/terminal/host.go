package terminal

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"lotse/internal/hostname"
	"lotse/internal/importer"
)

// ConfirmHost asks whether answers may be sent to host, which is another site than
// the link names. It shows the host as it is connected to, in punycode, so that
// letters cannot imitate others. Without a clear yes, and where nobody can be
// asked, the answer is no.
func (t *Terminal) ConfirmHost(ctx context.Context, host string) (bool, error) {
	if !t.interactive {
		return false, nil
	}
	defer t.prompt()()
	t.print(t.say("terminal.host", nil) + "\n  " + asciiOnly(host) + "\n")
	if strings.Contains(host, "xn--") || asciiOnly(host) != host {
		t.print(t.say("terminal.host-lookalike", nil) + "\n")
	}
	return t.confirm(ctx, "terminal.host-question", false)
}

// ConfirmPortal asks whether answers may be sent to a host that nobody confirmed so
// far. It shows the host in punycode, as people read it where that differs, and why it
// may not be what it looks like.
func (t *Terminal) ConfirmPortal(ctx context.Context, host, readable string, warnings []hostname.Warning) (bool, error) {
	if !t.interactive {
		return false, nil
	}
	defer t.prompt()()
	t.print(t.say("terminal.portal", nil) + "\n  " + asciiOnly(host) + "\n")
	if readable != "" && readable != host {
		t.print("  " + t.say("terminal.portal-readable", map[string]any{"Host": Clean(readable)}) + "\n")
	}
	for _, w := range warnings {
		if key := "terminal.portal." + string(w); t.phrases.Has(key) {
			t.print("  " + t.say(key, nil) + "\n")
		}
	}
	return t.confirm(ctx, "terminal.host-question", false)
}

// Retry says what is wrong with the answers and asks whether to answer once more;
// Enter is yes. Where nobody can be asked, it is no.
func (t *Terminal) Retry(ctx context.Context, problem *importer.Problem) bool {
	if !t.interactive {
		return false
	}
	defer t.prompt()()
	happened, _ := t.phrases.Problem(cleaned(problem))
	t.print(Clean(happened) + "\n")
	again, err := t.confirm(ctx, "terminal.retry-question", true)
	return again && err == nil
}

// confirm asks for yes or no; Enter is otherwise.
func (t *Terminal) confirm(ctx context.Context, key string, otherwise bool) (bool, error) {
	for {
		text, err := t.input(ctx, t.say(key, nil), false)
		if err != nil && !errors.Is(err, errLong) {
			return false, err
		}
		switch strings.ToLower(strings.TrimSpace(text)) {
		case "":
			if err == nil {
				return otherwise, nil
			}
		case "y", "yes", "j", "ja":
			return true, nil
		case "n", "no", "nein":
			return false, nil
		}
		t.print("  " + t.say("terminal.bad-yes-no", nil) + "\n")
	}
}

// asciiOnly shows what is not ASCII as its code.
func asciiOnly(host string) string {
	quoted := strconv.QuoteToASCII(Clean(host))
	return quoted[1 : len(quoted)-1]
}
