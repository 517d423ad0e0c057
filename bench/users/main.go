// Command users sends the requests of many visitors, at an even rate, and tells
// every second which version answered how many of them:
//
//	users -rate 100 http://127.0.0.1:8080/shop/
//
// Each visitor has a User-Agent of their own and keeps no cookie. A request that
// is due while 256 are without an answer is left out.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"time"
)

const waiting = 256 // requests that may be without an answer

func main() {
	rate := flag.Int("rate", 100, "requests a second")
	flag.Parse()
	if flag.NArg() != 1 || *rate < 1 {
		fmt.Fprintln(os.Stderr, "write users [-rate 100] URL")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	u := &users{url: flag.Arg(0), client: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: waiting}}}
	u.run(ctx, *rate, os.Stdout)
}

// users are the visitors of one address.
type users struct {
	url    string
	client *http.Client

	mu       sync.Mutex
	answered map[string]int // since the last report, by version; others by what went wrong
}

func (u *users) run(ctx context.Context, rate int, out io.Writer) {
	next := time.NewTicker(time.Second / time.Duration(rate))
	defer next.Stop()
	report := time.NewTicker(time.Second)
	defer report.Stop()
	var asking sync.WaitGroup
	defer asking.Wait()
	room := make(chan struct{}, waiting)
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-report.C:
			fmt.Fprintf(out, "%s  %s\n", now.Format(time.TimeOnly), u.told())
		case <-next.C:
			select {
			case room <- struct{}{}:
				asking.Go(func() {
					u.count(u.visit(ctx))
					<-room
				})
			default:
			}
		}
	}
}

// visit is one request; it returns who answered it, or what went wrong.
func (u *users) visit(ctx context.Context) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.url, nil)
	if err != nil {
		return err.Error()
	}
	req.Header.Set("User-Agent", fmt.Sprintf("user-%d", rand.IntN(100_000)))
	resp, err := u.client.Do(req)
	if err != nil {
		return "unanswered"
	}
	_, err = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	switch version := resp.Header.Get("X-Version"); {
	case err != nil:
		return "cut short"
	case resp.StatusCode >= 400:
		return strings.TrimSpace(fmt.Sprintf("%s %d", version, resp.StatusCode))
	default:
		return version
	}
}

func (u *users) count(what string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.answered == nil {
		u.answered = map[string]int{}
	}
	u.answered[what]++
}

// told is what was counted since it was asked last.
func (u *users) told() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(u.answered)) {
		parts = append(parts, fmt.Sprintf("%s: %d", what, u.answered[what]))
	}
	u.answered = nil
	return strings.Join(parts, ", ")
}
