package dlx

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// FuzzImport reads whatever may be sent to an importer, or be answered by one:
// nothing panics, and what was understood is written and read the same.
func FuzzImport(f *testing.F) {
	for _, seed := range []string{
		`{"link":"https://a.example/token/A","token":"A","tfaAnswer":[{"questionId":"1","answer":"x"}]}`, `{"link":"a.example/t","tfaAnswer":{"questionId":1,"answer":19700101}}`,
		`{"username":"u","password":"p","scope":"dlx.admin x"}`, `{"username":1,"password":2,"scope":["dlx.import",null,3]}`, "username=u&password=%20&scope=a+b",
		`{"access_token":"a.b","expires_in":"900","scope":"x"}`, `{"access_token":"a","expires_in":1e18}`,
		`{"status":"started","statusUrl":"https://a.example/import/1","importedItems":"3","message":"x"}`, `{"status":" Partial "}`, "null", "", "%zz", "\xff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if req, ok, err := decodeImport(body); ok && err == nil {
			said, err := json.Marshal(outImport(req))
			if err != nil {
				t.Fatal(err)
			}
			again, ok, err := decodeImport(said)
			if !ok || err != nil || !reflect.DeepEqual(req, again) {
				t.Errorf("%s", said)
			}
		}
		for _, form := range []bool{false, true} {
			c, ok := decodeCredentials(body, form)
			if ok && (c.Username.IsZero() || c.Password.IsZero() || strings.Contains(strings.Join(c.Scopes, ","), "dlx.admin,")) {
				t.Error("half of the credentials are taken")
			}
		}
		if a, ok := decodeAccess(body); ok && (a.Token.IsZero() || a.Expires < 0) {
			t.Errorf("expires in %v", a.Expires)
		}
		if s, ok := decodeStatus(body); ok {
			said, err := json.Marshal(wireOutStatus{s.State, s.URL, s.Items, s.Message})
			if err != nil {
				t.Fatal(err)
			}
			if again, ok := decodeStatus(said); !ok || again != s {
				t.Errorf("%s", said)
			}
		}
	})
}
