package lab

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// Visitor is one browser: an address, a User-Agent and a jar for one cookie.
// Each request goes over a connection of its own. It is safe for concurrent use.
type Visitor struct {
	Target string // address of weir's clients
	From   string // the client address
	Cookie string // name of the sticky cookie

	mu    sync.Mutex
	value string
}

// Value is the cookie that the visitor has; empty: none.
func (v *Visitor) Value() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.value
}

// Set puts a cookie in the jar.
func (v *Visitor) Set(value string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.value = value
}

// Visit asks once. given is the cookie that the answer set; empty: none.
func (v *Visitor) Visit() (shot Shot, given string, err error) {
	c, err := dial(v.Target)
	if err != nil {
		return shot, "", err
	}
	defer c.close()
	cookie := ""
	if value := v.Value(); value != "" {
		cookie = fmt.Sprintf("Cookie: %s=%s\r\n", v.Cookie, value)
	}
	request := fmt.Appendf(nil, "GET / HTTP/1.1\r\nHost: shop.example.com\r\nX-Forwarded-For: %s\r\nUser-Agent: visitor\r\n%s\r\n", v.From, cookie)
	resp := fasthttp.AcquireResponse()
	defer fasthttp.ReleaseResponse(resp)
	shot.Began = time.Now()
	shot.Fate, err = c.do(request, resp)
	shot.Ended = time.Now()
	if err != nil {
		return shot, "", fmt.Errorf("cannot visit %q: %w", v.Target, err)
	}
	shot.Status, shot.Version = resp.StatusCode(), string(resp.Header.Peek("X-Version"))
	if line := resp.Header.PeekCookie(v.Cookie); len(line) > 0 {
		value, _, _ := strings.Cut(string(line), ";")
		given = strings.TrimPrefix(value, v.Cookie+"=")
		v.Set(given)
	}
	return shot, given, nil
}
