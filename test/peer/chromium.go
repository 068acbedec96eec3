package peer

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/websocket"
)

// Browser is a headless Chromium with one page, driven by its own protocol (CDP).
type Browser struct {
	t       testing.TB
	conn    *websocket.Conn
	session string
	last    int
}

// Chromium starts Debian's Chromium for the test, in a language; the test is skipped
// where it is not installed.
func Chromium(t testing.TB, lang string) *Browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed: scripts/setup does it")
	}
	dir := t.TempDir()
	cmd := exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--no-proxy-server",
		"--disable-background-networking", "--remote-debugging-port=0", "--remote-allow-origins=http://localhost", "--user-data-dir="+dir, "--accept-lang="+lang, "about:blank")
	cmd.Env = append(os.Environ(), "HOME="+dir, "LANGUAGE="+lang)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait() // it was killed
		Await(t, 10*time.Second, "the browser to let its folder go", func() bool { return os.RemoveAll(filepath.Join(dir, "Default")) == nil })
	})
	b := &Browser{t: t}
	lines := bufio.NewScanner(errs)
	for lines.Scan() {
		if _, url, ok := strings.Cut(lines.Text(), "DevTools listening on "); ok {
			b.conn, err = websocket.Dial(url, "", "http://localhost")
			if err != nil {
				t.Fatal(err)
			}
			b.conn.MaxPayloadBytes = 64 << 20
			break
		}
	}
	if b.conn == nil {
		t.Fatal("chromium says nothing of its protocol")
	}
	go func() {
		for lines.Scan() { // nobody reads what it complains about
			continue
		}
	}()
	var made struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &made)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": made.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	b.call("Page.enable", nil, nil)
	return b
}

// call is try for what must work.
func (b *Browser) call(method string, params, out any) {
	b.t.Helper()
	if err := b.try(method, params, out); err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
}

// try sends a command and reads its answer; events are let go.
func (b *Browser) try(method string, params, out any) error {
	b.last++
	if params == nil {
		params = struct{}{}
	}
	message := map[string]any{"id": b.last, "method": method, "params": params}
	if b.session != "" {
		message["sessionId"] = b.session
	}
	_ = b.conn.SetDeadline(time.Now().Add(30 * time.Second))
	if err := websocket.JSON.Send(b.conn, message); err != nil {
		return err
	}
	for {
		var answer struct {
			ID     int
			Result json.RawMessage
			Error  *struct{ Message string }
		}
		if err := websocket.JSON.Receive(b.conn, &answer); err != nil {
			return err
		}
		switch {
		case answer.ID != b.last:
			continue
		case answer.Error != nil:
			return errors.New(answer.Error.Message)
		case out != nil:
			return json.Unmarshal(answer.Result, out)
		}
		return nil
	}
}

// Open opens an address.
func (b *Browser) Open(url string) {
	b.t.Helper()
	var got struct{ ErrorText string }
	b.call("Page.navigate", map[string]any{"url": url}, &got)
	if got.ErrorText != "" {
		b.t.Fatalf("open: %s", got.ErrorText)
	}
}

// Eval runs a script in the page and returns its value as text. An error also says
// that the page went away meanwhile.
func (b *Browser) Eval(script string) (string, error) {
	var got struct {
		Result           struct{ Value any }
		ExceptionDetails *struct{ Text string }
	}
	if err := b.try("Runtime.evaluate", map[string]any{"expression": script, "returnByValue": true, "awaitPromise": true}, &got); err != nil {
		return "", err
	}
	if got.ExceptionDetails != nil {
		return "", errors.New(got.ExceptionDetails.Text)
	}
	return fmt.Sprint(got.Result.Value), nil
}

// Until waits until a script is true.
func (b *Browser) Until(script string) {
	b.t.Helper()
	Await(b.t, 20*time.Second, "the page: "+script, func() bool {
		value, err := b.Eval("Boolean(" + script + ")")
		return err == nil && value == "true"
	})
}

// Type types a text where the focus is.
func (b *Browser) Type(text string) {
	b.t.Helper()
	b.call("Input.insertText", map[string]any{"text": text}, nil)
}

// Press presses a key: Tab or Enter.
func (b *Browser) Press(key string) {
	b.t.Helper()
	code := map[string]int{"Tab": 9, "Enter": 13}[key]
	down := map[string]any{"type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": code}
	if key == "Enter" {
		down["text"] = "\r"
	}
	b.call("Input.dispatchKeyEvent", down, nil)
	b.call("Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": key, "code": key, "windowsVirtualKeyCode": code}, nil)
}

// Size makes the window so large, in pixels; dark is the colour scheme.
func (b *Browser) Size(width, height int, dark bool) {
	b.t.Helper()
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}, nil)
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	b.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

// Picture is a PNG of the whole page.
func (b *Browser) Picture() []byte {
	b.t.Helper()
	var got struct{ Data string }
	b.call("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true}, &got)
	picture, err := base64.StdEncoding.DecodeString(got.Data)
	if err != nil {
		b.t.Fatal(err)
	}
	return picture
}

// Cookies are the names of the cookies that the page has.
func (b *Browser) Cookies() []string {
	b.t.Helper()
	var got struct {
		Cookies []struct{ Name string }
	}
	b.call("Network.getCookies", nil, &got)
	var names []string
	for _, c := range got.Cookies {
		names = append(names, c.Name)
	}
	return names
}

// Complaints makes the page collect what breaks its policy, and scripts that fail; it
// is read by window.complaints.
func (b *Browser) Complaints() {
	b.t.Helper()
	b.call("Page.addScriptToEvaluateOnNewDocument", map[string]any{"source": `
		window.complaints = [];
		addEventListener("securitypolicyviolation", (e) => complaints.push(e.violatedDirective + " " + e.blockedURI));
		addEventListener("error", (e) => complaints.push(String(e.message)));
		addEventListener("unhandledrejection", (e) => complaints.push(String(e.reason)));`}, nil)
}
