package v1_test

import (
	"fmt"
	"testing"

	"lotse/internal/auth"
	"lotse/test/peer"
)

// on waits until a page of ours shows a section.
func (k *keys) on(path, section string) {
	k.Helper()
	k.b.At(k.named + path)
	k.b.Until(fmt.Sprintf("document.getElementById(%q)?.hidden === false", section))
}

// TestLoginPages goes the way of a person through the pages: in by a password, a wrong
// one first; a passkey is added; out; in again by the passkey.
func TestLoginPages(t *testing.T) {
	w, _ := provided(t)
	owner := w.person(mainTenant, auth.Clerk)
	k := w.keys()
	in := func(press string) {
		t.Helper()
		k.b.Click(press)
		k.on("/account", "account")
	}
	out := func() {
		t.Helper()
		k.b.Click("#logout")
		k.on("/login", "begin")
	}
	k.b.Open(w.named + "/login")
	k.on("/login", "begin")
	k.b.Fill("#login", owner.login)
	k.b.Fill("#password", "something else altogether")
	k.b.Click("#begin-form button")
	k.b.Until(`document.querySelector("#begin-form [role=alert]").hidden === false`)
	k.b.Fill("#password", goodPassword)
	in("#begin-form button")
	k.b.Click("#add-passkey")
	k.b.Until(`document.querySelector("#factors li") !== null`)
	out()
	in("#begin-passkey")
	if n := len(k.auth.Keys()); n != 1 {
		t.Errorf("the authenticator has %d keys", n)
	}
	// Who gives up the gesture is told so, and logs in another way.
	k.auth.Verify(false)
	out()
	k.b.Click("#begin-passkey")
	k.b.Until(`document.querySelector("#begin-form [role=alert]").hidden === false`)
	k.auth.Verify(true)
	k.b.Fill("#login", owner.login)
	k.b.Fill("#password", goodPassword)
	k.b.Click("#begin-form button")
	in("#factor-passkey")
}

// TestProviderPages goes to an identity provider and comes back, in a browser.
func TestProviderPages(t *testing.T) {
	w, b := provided(t)
	k := w.keys()
	k.b.Open(w.named + "/login")
	k.b.Click("#ways button:nth-of-type(2)")
	k.b.At(b.op.Issuer)
	k.b.Fill("input[name=login]", "erika")
	k.b.Fill("input[name=password]", "any")
	k.b.Click("button[type=submit]")
	k.b.Until(`document.querySelector("input[value=consent]") !== null`)
	k.b.Click("button[type=submit]")
	k.on("/account", "account")
	k.b.Until(`document.getElementById("name").textContent === "Erika Beispiel"`)
	k.b.Click("#logout")
	k.on("/login", "begin")
	k.b.Open("about:blank")
	k.b.Open(w.named + "/login#problem=no-rights")
	k.b.Until(`document.querySelector("#begin-form [role=alert]").hidden === false`)
	if kept := peer.Value[string](k.b, "location.hash"); kept != "" {
		t.Errorf("the address keeps %s", kept)
	}
}
