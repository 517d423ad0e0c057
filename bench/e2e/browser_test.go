//go:build e2e && chromium

package e2e

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is how long anything may take to be seen on a page. It is long
// because the machine may be busy; nothing here is a measurement.
const patience = 60 * time.Second

// browser is a real Chromium with one page. It writes down what the page asks
// for and complains about.
type browser struct {
	t    *testing.T
	ctx  context.Context
	base string

	mu         sync.Mutex
	asked      []string // URLs
	complaints []string
}

// newBrowser starts Chromium.
func newBrowser(t *testing.T, base string) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium(t)), chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1280, 900),
		chromedp.WSURLReadTimeout(patience), chromedp.Flag("disable-dev-shm-usage", true), // which is small in containers
	)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // its sandbox refuses root; the pages are our own
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	b := &browser{t: t, base: base}
	ctx, end := chromedp.NewContext(allocator, chromedp.WithListener(b.listen))
	t.Cleanup(end)
	b.ctx = ctx
	// The browser ends with the context that it was started in: with none that is shorter.
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatal(err)
	}
	return b
}

// chromium is the path of the browser.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil && name != "" {
			return path
		}
	}
	t.Fatal("there is no Chromium: apt-get install chromium, or name one in CHROMIUM")
	return ""
}

func (b *browser) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.asked = append(b.asked, e.Request.URL)
	case *runtime.EventExceptionThrown:
		b.complaints = append(b.complaints, fmt.Sprintf("%s %v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			b.complaints = append(b.complaints, fmt.Sprintf("console.%s in %v", e.Type, e.Args))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			b.complaints = append(b.complaints, e.Entry.Text+" "+e.Entry.URL)
		}
	}
}

func (b *browser) run(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.shot("failed")
		b.t.Fatalf("%v; the page says:\n%s", err, b.text("body"))
	}
}

// open goes to a page.
func (b *browser) open(path string) {
	b.t.Helper()
	b.run(chromedp.Navigate(b.base + path))
}

// eval returns the value of an expression.
func eval[T any](b *browser, expression string) (value T) {
	b.t.Helper()
	b.run(chromedp.Func(func(ctx context.Context, page *chromedp.Target) (err error) {
		value, err = chromedp.Evaluate[T](expression)(ctx, page)
		return err
	}))
	return value
}

// await waits until an expression is true. While a page gives way to the next
// there is none to ask: that is no failure.
func (b *browser) await(what, expression string) {
	b.t.Helper()
	var last error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(b.ctx, patience)
		done, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		cancel()
		if done && err == nil {
			return
		}
		last = err
	}
	b.shot("failed")
	b.t.Fatalf("the page did not show %s (%v); it says:\n%s", what, last, b.text("body"))
}

// awaitText waits until what a selector finds holds a text.
func (b *browser) awaitText(selector, text string) {
	b.t.Helper()
	b.await(fmt.Sprintf("%q in %s", text, selector), fmt.Sprintf("document.querySelector(%q)?.innerText.includes(%q)", selector, text))
}

// text is what a person reads of what a selector finds.
func (b *browser) text(selector string) string {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector)))
	if err != nil {
		return err.Error()
	}
	return text
}

// click clicks in the middle of what a selector finds, wherever that is now.
func (b *browser) click(selector string) {
	b.t.Helper()
	b.await(selector, fmt.Sprintf("document.querySelector(%q)", selector))
	at := eval[struct{ X, Y float64 }](b, fmt.Sprintf(`(() => {
		const e = document.querySelector(%q);
		e.scrollIntoView({block: 'center', behavior: 'instant'});
		const r = e.getBoundingClientRect();
		return {X: r.x + r.width / 2, Y: r.y + r.height / 2};
	})()`, selector))
	b.run(chromedp.MouseClickXY(at.X, at.Y))
}

// write types a text into what a selector finds.
func (b *browser) write(selector, text string) {
	b.t.Helper()
	b.await(selector, fmt.Sprintf("(document.querySelector(%[1]q)?.focus(), document.activeElement === document.querySelector(%[1]q))", selector))
	b.press(text)
}

// tabTo presses Tab until an element has the focus, as somebody without a mouse
// does, and checks that the focus is seen on the way.
func (b *browser) tabTo(id string) {
	b.t.Helper()
	for range 80 {
		b.press("\t")
		at := eval[struct{ ID, Outline string }](b, "({ID: document.activeElement.id, Outline: getComputedStyle(document.activeElement).outlineStyle})")
		if at.Outline == "none" {
			b.t.Errorf("the focus on %q cannot be seen", at.ID)
		}
		if at.ID == id {
			return
		}
	}
	b.shot("failed")
	b.t.Fatalf("no way with Tab to %q", id)
}

func (b *browser) press(keys string) {
	b.t.Helper()
	b.run(chromedp.KeyEvent(keys))
}

// mark puts something into the page that a reload would lose.
func (b *browser) mark() { eval[int](b, "window.weirMark = 1") }

// marked checks that the page was not loaded again since mark.
func (b *browser) marked() {
	b.t.Helper()
	if eval[int](b, "window.weirMark ?? 0") != 1 {
		b.t.Error("the page was loaded again")
	}
}

// dress shows the page as on another screen.
func (b *browser) dress(width, height int64, scheme string) {
	b.t.Helper()
	b.run(
		command(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 600}),
		command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
		}}),
	)
}

// command is one of the protocol without a result.
func command[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, c, params)
		return err
	})
}

// fits checks that the page needs no scrolling to the side.
func (b *browser) fits() {
	b.t.Helper()
	if wide, has := eval[int](b, "document.documentElement.scrollWidth"), eval[int](b, "document.documentElement.clientWidth"); wide > has {
		b.t.Errorf("%s is %d wide on a screen of %d", eval[string](b, "location.pathname"), wide, has)
	}
}

// shot keeps a picture of the whole page.
func (b *browser) shot(name string) {
	dir := os.Getenv("WEIR_ARTEFACTS")
	if dir == "" {
		dir = b.t.ArtifactDir()
	}
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	beyond := true
	picture, err := chromedp.Call(ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{CaptureBeyondViewport: &beyond})
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), picture.Data, 0o644)
	}
	if err != nil {
		b.t.Errorf("cannot keep a picture %q: %v", name, err)
	}
}

// readable checks that all text stands out from its ground as WCAG 2.2 asks
// for: 4.5 to 1.
func (b *browser) readable() {
	b.t.Helper()
	weak := eval[[]string](b, `(() => {
		const parse = c => c.match(/[\d.]+/g).map(Number);
		const over = (a, b) => [0, 1, 2].map(i => a[i] * (a[3] ?? 1) + b[i] * (1 - (a[3] ?? 1)));
		const light = c => c.slice(0, 3).map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
			.reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
		const ground = e => {
			const stack = [];
			for (; e; e = e.parentElement) stack.push(parse(getComputedStyle(e).backgroundColor));
			return stack.reduceRight((under, c) => over(c, under), [255, 255, 255]);
		};
		const weak = [];
		const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
		for (let n; n = texts.nextNode();) {
			const e = n.parentElement, style = getComputedStyle(e);
			if (!n.data.trim() || !e.checkVisibility() || e.closest('.unseen, .skipped, dialog:not([open])')) continue;
			const back = ground(e), a = light(over(parse(style.color), back)), b = light(back);
			const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
			if (ratio < 4.5) weak.push(ratio.toFixed(2) + ' ' + e.tagName + '.' + e.className + ': ' + n.data.trim());
		}
		return weak;
	})()`)
	if len(weak) > 0 {
		b.t.Errorf("hard to read on %s:\n%s", eval[string](b, "location.pathname"), strings.Join(weak, "\n"))
	}
}

// sound checks what a screen reader lives by: names, labels, headings.
func (b *browser) sound() {
	b.t.Helper()
	wrong := eval[[]string](b, `(() => {
		const wrong = [], all = q => [...document.querySelectorAll(q)], say = (what, e) => wrong.push(what + ': ' + e.outerHTML.slice(0, 120));
		if (all('h1').length !== 1) wrong.push(all('h1').length + ' h1');
		if (!document.documentElement.lang || !document.title) wrong.push('no language or title');
		for (const name of ['main', 'header', 'nav', 'footer']) if (all(name).length < 1) wrong.push('no ' + name);
		for (const e of all('input:not([type=hidden]), select')) if (!e.labels?.length) say('no label', e);
		for (const e of all('button, a, summary')) if (!e.textContent.trim() && !e.getAttribute('aria-label') && !e.closest('dialog')) say('no name', e);
		for (const e of all('table')) if (!e.caption) say('no caption', e);
		for (const e of all('th')) if (!e.scope) say('no scope', e);
		for (const e of all('svg')) if (!e.getAttribute('aria-label') && e.getAttribute('aria-hidden') !== 'true') say('no name', e);
		for (const e of all('[aria-labelledby]')) if (!document.getElementById(e.getAttribute('aria-labelledby'))) say('named by nothing', e);
		const ids = all('[id]').map(e => e.id), twice = ids.filter((id, i) => ids.indexOf(id) !== i);
		if (twice.length) wrong.push('twice: ' + twice);
		let last = 1;
		for (const e of all('main :is(h1, h2, h3)')) { const n = +e.tagName[1]; if (n > last + 1) say('skips a level', e); last = n; }
		return wrong;
	})()`)
	if len(wrong) > 0 {
		b.t.Errorf("not for everybody, on %s:\n%s", eval[string](b, "location.pathname"), strings.Join(wrong, "\n"))
	}
}

// quiet checks that the pages had nothing to complain about but what is
// expected, and asked nobody else.
func (b *browser) quiet(expected ...string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, text := range b.complaints {
		if !slices.ContainsFunc(expected, func(part string) bool { return strings.Contains(text, part) }) {
			b.t.Errorf("the page complains: %s", text)
		}
	}
	own, err := url.Parse(b.base)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, one := range b.asked {
		if u, err := url.Parse(one); err != nil || u.Host != own.Host && u.Scheme != "data" && u.Scheme != "about" {
			b.t.Errorf("the page asked for %s", one)
		}
	}
	if len(b.asked) < 10 {
		b.t.Errorf("only %d requests were seen", len(b.asked))
	}
}
