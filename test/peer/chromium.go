package peer

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// pageTime bounds how long a test may be with a browser.
const pageTime = time.Minute

// Browser is a tab of a headless Chromium with a profile of its own.
type Browser struct {
	t   testing.TB
	ctx context.Context
}

// Chromium starts a browser until the test ends.
func Chromium(t testing.TB) *Browser {
	t.Helper()
	path := program(t, "chromium")
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1280, 900),
		chromedp.WSURLReadTimeout(startTime), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("lang", "en-US"))
	ctx, cancel := context.WithTimeout(context.Background(), pageTime)
	t.Cleanup(cancel)
	ctx, end := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(end)
	ctx, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(closeTab)
	return &Browser{t, ctx}
}

// At waits until the page of the tab is below an address.
func (b *Browser) At(address string) {
	b.t.Helper()
	Await(b.t, startTime, "the page of "+address, func() bool {
		at, err := chromedp.Run(b.ctx, chromedp.Location())
		return err == nil && strings.HasPrefix(at, address)
	})
}

// Until waits until an expression is true in the page, whichever that is by then.
func (b *Browser) Until(expression string) {
	b.t.Helper()
	Await(b.t, startTime, expression, func() bool {
		yes, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](expression))
		return err == nil && yes // an error: the page is just being left
	})
}

// Do carries out steps; a failure ends the test.
func (b *Browser) Do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatalf("in the browser: %v", err)
	}
}

// Eval is the value of an expression in the page of a browser; a promise is waited for.
func Eval[T any](b *Browser, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("in the browser: %v", err)
	}
	return v
}

// Screenshot writes what the page shows into a file of the folder that LOTSE_SCREENSHOTS
// names; without it nothing.
func (b *Browser) Screenshot(name string) {
	b.t.Helper()
	dir := os.Getenv("LOTSE_SCREENSHOTS")
	if dir == "" {
		return
	}
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(dir+"/"+name+".png", picture, 0o600)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// Authenticator is a virtual one that keeps passkeys.
type Authenticator struct {
	b  *Browser
	id webauthn.AuthenticatorID
}

// Authenticator gives the browser a platform authenticator that verifies its user.
func (b *Browser) Authenticator() *Authenticator {
	b.t.Helper()
	a := &Authenticator{b: b}
	b.Do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		if _, err := chromedp.Call(ctx, webauthn.Enable, webauthn.EnableParams{}); err != nil {
			return err
		}
		made, err := chromedp.Call(ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal, HasResidentKey: true,
			HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
		}})
		a.id = made.AuthenticatorID
		return err
	}))
	return a
}

// Verify says whether the person can unlock the authenticator.
func (a *Authenticator) Verify(verified bool) {
	a.b.t.Helper()
	a.b.Do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, webauthn.SetUserVerified, webauthn.SetUserVerifiedParams{AuthenticatorID: a.id, IsUserVerified: verified})
		return err
	}))
}

// Keys are the passkeys that the authenticator has.
func (a *Authenticator) Keys() []*webauthn.Credential {
	a.b.t.Helper()
	var keys []*webauthn.Credential
	a.b.Do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		got, err := chromedp.Call(ctx, webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: a.id})
		keys = got.Credentials
		return err
	}))
	return keys
}
