package v1_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"lotse/internal/store/storetest"
)

// TestPasswordFields: what is typed as a password is not shown, and password managers
// may fill it in: it says what it is, and nothing keeps anybody from pasting.
func TestPasswordFields(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	fields := 0
	for _, path := range []string{"/setup", "/login", "/account"} {
		a := w.ask("", "GET", path, nil)
		w.into(a, http.StatusOK, nil)
		page := string(a.body)
		for _, input := range regexp.MustCompile(`<input[^>]*>`).FindAllString(page, -1) {
			secret, named := strings.Contains(input, `type="password"`), regexp.MustCompile(`autocomplete="(?:current|new)-password"`).MatchString(input)
			if secret != named {
				t.Errorf("%s has %s", path, input)
			}
			if secret {
				fields++
			}
		}
		for _, link := range regexp.MustCompile(`src="([^"]+)"`).FindAllStringSubmatch(page, -1) {
			page += string(w.ask("", "GET", link[1], nil).body)
		}
		for _, word := range []string{"paste", "localStorage", "sessionStorage", "indexedDB"} {
			if strings.Contains(page, word) {
				t.Errorf("%s has something to do with %s", path, word)
			}
		}
	}
	if fields < 6 {
		t.Errorf("only %d fields", fields)
	}
}
