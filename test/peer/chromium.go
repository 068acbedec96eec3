package peer

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// pageTime bounds how long a test may be with a browser.
const pageTime = 3 * time.Minute

// Browser is a headless Chromium with one page and a profile of its own.
type Browser struct {
	t   testing.TB
	ctx context.Context
}

// Chromium starts Debian's Chromium for the test, in a language; the test is skipped
// where it is not installed.
func Chromium(t testing.TB, lang string) *Browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program(t, "chromium")), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1280, 900),
		chromedp.WSURLReadTimeout(startTime), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("accept-lang", lang), chromedp.Env("LANGUAGE="+lang))
	ctx, cancel := context.WithTimeout(context.Background(), pageTime)
	t.Cleanup(cancel)
	ctx, end := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(end)
	ctx, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(closeTab)
	b := &Browser{t, ctx}
	b.Open("about:blank")
	return b
}

// command sends a command to the page that must work.
func command[P, R any](b *Browser, cmd cdp.Command[P, R], params P) R {
	b.t.Helper()
	out, err := chromedp.Call(b.ctx, cmd, params)
	if err != nil {
		b.t.Fatalf("in the browser: %v", err)
	}
	return out
}

// Open opens an address and waits until its page is there.
func (b *Browser) Open(url string) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, chromedp.Navigate(url)); err != nil {
		b.t.Fatalf("open: %v", err)
	}
}

// Eval runs a script in the page and returns its value as text; a promise is waited
// for. An error also says that the page went away meanwhile.
func (b *Browser) Eval(script string) (string, error) {
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[any](script, chromedp.EvalAwaitPromise))
	return fmt.Sprint(value), err
}

// Value is the value of an expression in the page; a promise is waited for.
func Value[T any](b *Browser, expression string) T {
	b.t.Helper()
	var value T
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("Promise.resolve("+expression+").then((value) => JSON.stringify(value) ?? 'null')", chromedp.EvalAwaitPromise))
	if err == nil {
		err = json.Unmarshal([]byte(text), &value)
	}
	if err != nil {
		b.t.Fatalf("in the browser: %v", err)
	}
	return value
}

// Until waits until a script is true, in whichever page there is by then.
func (b *Browser) Until(script string) {
	b.t.Helper()
	Await(b.t, startTime, "the page: "+script, func() bool {
		value, err := b.Eval("Boolean(" + script + ")")
		return err == nil && value == "true"
	})
}

// At waits until the page is below an address.
func (b *Browser) At(address string) {
	b.t.Helper()
	Await(b.t, startTime, "the page of "+address, func() bool {
		at, err := b.Eval("location.href")
		return err == nil && strings.HasPrefix(at, address)
	})
}

// Click presses what a selector finds, once it can be seen.
func (b *Browser) Click(selector string) {
	b.t.Helper()
	b.Until(fmt.Sprintf("document.querySelector(%q)?.checkVisibility() && !document.querySelector(%q).disabled", selector, selector))
	if _, err := b.Eval(fmt.Sprintf("document.querySelector(%q).click()", selector)); err != nil {
		b.t.Fatalf("click %s: %v", selector, err)
	}
}

// Fill writes a text into the field that a selector finds, in place of what is there.
func (b *Browser) Fill(selector, text string) {
	b.t.Helper()
	b.Until(fmt.Sprintf("document.querySelector(%q)?.checkVisibility()", selector))
	if _, err := b.Eval(fmt.Sprintf("document.querySelector(%q).select()", selector)); err != nil {
		b.t.Fatalf("fill %s: %v", selector, err)
	}
	b.Type(text)
}

// Type types a text where the focus is.
func (b *Browser) Type(text string) {
	b.t.Helper()
	command(b, input.InsertText, input.InsertTextParams{Text: text})
}

// Press presses a key: Tab or Enter.
func (b *Browser) Press(key string) {
	b.t.Helper()
	down := input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyDown, Key: key, Code: key, WindowsVirtualKeyCode: map[string]int64{"Tab": 9, "Enter": 13}[key]}
	up := down
	if up.Type = input.DispatchKeyEventTypeKeyUp; key == "Enter" {
		down.Text = "\r"
	}
	command(b, input.DispatchKeyEvent, down)
	command(b, input.DispatchKeyEvent, up)
}

// Size makes the window so large, in pixels; dark is the colour scheme.
func (b *Browser) Size(width, height int, dark bool) {
	b.t.Helper()
	command(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: int64(width), Height: int64(height), DeviceScaleFactor: 1, Mobile: width < 600})
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	command(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
}

// Picture is a PNG of the whole page.
func (b *Browser) Picture() []byte {
	b.t.Helper()
	whole := true
	return command(b, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: "png", CaptureBeyondViewport: &whole}).Data
}

// Cookies are the names of the cookies that the page has.
func (b *Browser) Cookies() []string {
	b.t.Helper()
	var names []string
	for _, c := range command(b, network.GetCookies, network.GetCookiesParams{}).Cookies {
		names = append(names, c.Name)
	}
	return names
}

// Complaints makes the page collect what breaks its policy, and scripts that fail; it
// is read by window.complaints.
func (b *Browser) Complaints() {
	b.t.Helper()
	command(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: `
		window.complaints = [];
		addEventListener("securitypolicyviolation", (e) => complaints.push(e.violatedDirective + " " + e.blockedURI));
		addEventListener("error", (e) => complaints.push(String(e.message)));
		addEventListener("unhandledrejection", (e) => complaints.push(String(e.reason)));`})
}
