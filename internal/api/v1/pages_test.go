package v1_test

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"lotse/internal/auth/password"
	"lotse/internal/store/storetest"
)

// TestPagesOfPersons: in both languages, with nothing from elsewhere and nothing in
// line that the policy forbids.
func TestPagesOfPersons(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	for path, want := range map[string]map[string]string{"/login": {"de": "Anmelden", "en": "Log in"}, "/account": {"de": "Ihr Konto", "en": "Your account"}} {
		for lang, title := range want {
			a := w.ask("", "GET", path, nil, "Accept-Language: "+lang)
			w.into(a, http.StatusOK, nil)
			text, policy := string(a.body), a.header.Get("Content-Security-Policy")
			if !strings.Contains(text, title) || a.header.Get("Content-Language") != lang || a.header.Get("Set-Cookie") != "" {
				t.Errorf("%s in %s: %v", path, lang, a.header)
			}
			if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
				t.Errorf("%s: %s", path, policy)
			}
			if found := regexp.MustCompile(`<script>|style=|\son[a-z]+=|https?://`).FindString(text); found != "" {
				t.Errorf("%s has %q", path, found)
			}
			for _, link := range regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(text, -1) {
				w.into(w.ask("", "GET", link[1], nil), http.StatusOK, nil)
			}
		}
	}
}

// TestTextsOfPages: both languages say the same, and every weakness of a password has a
// sentence.
func TestTextsOfPages(t *testing.T) {
	for _, page := range []string{"setup", "login", "account"} {
		raw, err := os.ReadFile("assets/" + page + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var texts map[string]map[string]string
		if err := json.Unmarshal(raw, &texts); err != nil || len(texts) != 2 {
			t.Fatalf("%s: %v", page, err)
		}
		for key := range texts["en"] {
			if texts["de"][key] == "" || texts["en"][key] == "" {
				t.Errorf("%s: %s is missing in a language", page, key)
			}
		}
		if len(texts["en"]) != len(texts["de"]) {
			t.Errorf("%s: %d texts in English, %d in German", page, len(texts["en"]), len(texts["de"]))
		}
		for _, weakness := range []password.Weakness{password.Short, password.Long, password.Common, password.Personal, "not-new"} {
			if texts["en"]["field-"+string(weakness)] == "" {
				t.Errorf("%s: nothing is said of a password that is %s", page, weakness)
			}
		}
	}
}
