package v1_test

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"

	"lotse/internal/auth"
	"lotse/test/peer"
)

// typed types into a field.
func typed(id, text string) chromedp.Action[chromedp.Void] {
	return chromedp.SendKeys(chromedp.CSS("#"+id), text)
}

// click presses what a selector finds, once it can be seen.
func click(selector string) chromedp.Action[chromedp.Void] {
	return chromedp.Steps(chromedp.WaitVisible(chromedp.CSS(selector)), chromedp.Click(chromedp.CSS(selector)))
}

// seen waits until something can be seen.
func seen(selector string) chromedp.Action[chromedp.Void] {
	return chromedp.WaitVisible(chromedp.CSS(selector))
}

// shoot takes pictures of a page as a desk and a phone show it.
func (k *keys) shoot(name string) {
	k.Helper()
	k.b.Screenshot(name)
	k.b.Do(chromedp.EmulateViewport(390, 844))
	k.b.Screenshot(name + "-phone")
	k.b.Do(chromedp.ResetViewport())
}

// TestLoginPages goes the way of a person through the pages: in by a password, a wrong
// one first; a passkey is added; out; in again by the passkey.
func TestLoginPages(t *testing.T) {
	w, _ := provided(t)
	owner := w.person(mainTenant, auth.Clerk)
	k := w.keys()
	k.b.Do(chromedp.Navigate(w.named+"/login"), seen("#begin-passkey"), seen("#ways button:nth-of-type(2)"))
	k.shoot("login")
	k.b.Do(typed("login", owner.login), typed("password", "something else altogether"), click("#begin-form button"), seen("#begin-form [role=alert]"))
	k.shoot("login-wrong")
	in := func(press string, steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		k.b.Do(append(steps, click(press))...)
		k.b.At(w.named + "/account")
		k.b.Until(`document.getElementById("account")?.hidden === false`)
	}
	out := func() {
		t.Helper()
		k.b.Do(click("#logout"))
		k.b.At(w.named + "/login")
		k.b.Until(`document.getElementById("begin")?.hidden === false`)
	}
	peer.Eval[bool](k.b, `document.getElementById("begin-form").reset() ?? true`)
	in("#begin-form button", typed("login", owner.login), typed("password", goodPassword))
	k.b.Do(click("#add-passkey"), seen("#factors li"))
	k.shoot("account")
	out()
	in("#begin-passkey")
	if n := len(k.auth.Keys()); n != 1 {
		t.Errorf("the authenticator has %d keys", n)
	}
	// Who gives up the gesture is told so, and logs in another way.
	k.auth.Verify(false)
	out()
	k.b.Do(click("#begin-passkey"), seen("#begin-form [role=alert]"))
	k.auth.Verify(true)
	in("#factor-passkey", typed("login", owner.login), typed("password", goodPassword), click("#begin-form button"))
}

// TestProviderPages goes to an identity provider and comes back, in a browser.
func TestProviderPages(t *testing.T) {
	w, b := provided(t)
	k := w.keys()
	there := func(login string) {
		t.Helper()
		k.b.Do(chromedp.Navigate(w.named+"/login"), click("#ways button:nth-of-type(2)"))
		k.b.At(b.op.Issuer)
		k.b.Until(`document.querySelector("input[name=login]") !== null`)
		peer.Eval[bool](k.b, fmt.Sprintf(`document.querySelector("input[name=login]").value = %q, document.querySelector("input[name=password]").value = "any",
			document.querySelector("form").submit() ?? true`, login))
		k.b.Until(`document.querySelector("input[value=consent]") !== null`)
		peer.Eval[bool](k.b, `document.querySelector("form").submit() ?? true`)
		k.b.At(w.named + "/account")
		k.b.Until(`document.getElementById("account")?.hidden === false`)
	}
	there("erika")
	if name := peer.Eval[string](k.b, `document.getElementById("name").textContent`); name != "Erika Beispiel" {
		t.Errorf("it is %q", name)
	}
	k.b.Do(click("#logout"))
	k.b.At(w.named + "/login")
	k.b.Do(chromedp.Navigate(w.named+"/login#problem=no-rights"), chromedp.Reload())
	k.b.Until(`document.querySelector("#begin-form [role=alert]")?.hidden === false`)
	k.shoot("login-no-rights")
}
