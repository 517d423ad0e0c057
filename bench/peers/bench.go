package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// bench measures scenarios one after the other.
type bench struct {
	world   *world
	options options
	result  *lab.Result
}

// visitor is who a request comes from.
type visitor struct {
	host   string
	cookie string
}

// visitors is how many a load has in turn.
const visitors = 64

// scenario starts fresh proxies, measures them and prints the table. It returns
// how many bars were missed.
func (b *bench) scenario(s scenario) (missed int, err error) {
	var proxies []*proxy
	defer func() {
		for _, p := range proxies {
			p.stop()
		}
	}()
	for _, name := range s.peers {
		kind, err := peerNamed(name)
		if err != nil {
			return 0, err
		}
		p, err := kind.start(b.world, kind)
		if err != nil {
			return 0, err
		}
		proxies = append(proxies, p)
	}
	b.result.Printf("%s: %s\n", s.name, s.what)
	if s.load == held {
		return b.idle(s, proxies)
	}
	rounds, err := b.rounds(&s, proxies)
	if err != nil {
		return 0, err
	}
	for _, p := range proxies {
		if err := p.check(); err != nil {
			return 0, err
		}
	}
	return newTable(s, proxies, rounds).print(b.result), nil
}

// rounds measures each proxy once a round, there and back again.
func (b *bench) rounds(s *scenario, proxies []*proxy) ([][]sample, error) {
	senders := make([]sender, len(proxies))
	for i, p := range proxies {
		share, back, err := b.meet(s, p)
		if err != nil {
			return nil, err
		}
		progress("%s %s: %.1f %% of the first visitors met green", s.name, p.name, share*100)
		if senders[i], err = b.sender(s, p, back); err != nil {
			return nil, err
		}
	}
	count := b.options.rounds
	if s.load == opened {
		count *= 2
		if err := b.pace(s, proxies, senders); err != nil {
			return nil, err
		}
	}
	rounds := make([][]sample, count)
	for round := -1; round < count; round++ { // the first one only warms up
		samples := make([]sample, len(proxies))
		for k := range proxies {
			i := k
			if round%2 != 0 {
				i = len(proxies) - 1 - k
			}
			var err error
			if samples[i], err = b.slice(proxies[i], senders[i]); err != nil {
				return nil, fmt.Errorf("%s, round %d: %w", proxies[i].name, round+1, err)
			}
		}
		if round >= 0 {
			rounds[round] = samples
			progress("%s round %d of %d: %s", s.name, round+1, count, line(proxies, samples))
		}
	}
	return rounds, nil
}

// pace sets the rate of an open load to half of nginx's peak.
func (b *bench) pace(s *scenario, proxies []*proxy, senders []sender) error {
	rate := b.options.rate
	if i := slices.IndexFunc(proxies, func(p *proxy) bool { return p.name == "nginx" }); rate == 0 && i >= 0 {
		peak := *s
		peak.load = closed
		_, back, err := b.meet(s, proxies[i])
		if err != nil {
			return err
		}
		wrk, err := b.sender(&peak, proxies[i], back)
		if err != nil {
			return err
		}
		found, err := b.slice(proxies[i], wrk)
		if err != nil {
			return err
		}
		rate = int(found.rps() / 2)
	}
	if rate <= 0 {
		return errors.New("an open load without nginx beside it needs -rate")
	}
	for i := range senders {
		senders[i].rate = rate
	}
	b.result.Printf("  %d requests a second\n", rate)
	return nil
}

// slice loads one proxy for a while.
func (b *bench) slice(p *proxy, s sender) (sample, error) {
	if !p.running() {
		return sample{}, fmt.Errorf("it ended; it printed:\n%s", p.tail())
	}
	before, err := p.cpu()
	if err != nil {
		return sample{}, err
	}
	began, peak, scraped := time.Now(), watch(p.resident), p.scraped()
	out, err := s.send(b.world.ctx)
	took := time.Since(began)
	out.resident = peak()
	if err = errors.Join(err, scraped()); err != nil {
		return sample{}, err
	}
	after, err := p.cpu()
	out.cpu, out.took = after-before, took
	if err == nil {
		out.lines, err = p.takeLines()
	}
	if out.requests == 0 || out.errors > 0 {
		err = errors.Join(err, fmt.Errorf("%d of %d requests failed", out.errors, out.requests))
	}
	return out, err
}

// watch asks for a size now and then until the result is wanted, which is the
// largest.
func watch(size func() int64) (largest func() int64) {
	end, found := make(chan struct{}), make(chan int64)
	go func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		most := size()
		for {
			select {
			case <-tick.C:
				most = max(most, size())
			case <-end:
				found <- max(most, size())
				return
			}
		}
	}()
	return func() int64 {
		close(end)
		return <-found
	}
}

// meet sends first requests of visitors and returns the share of them that green
// answered, and those who come back.
func (b *bench) meet(s *scenario, p *proxy) (share float64, back []visitor, err error) {
	const requests = 1000
	small, t := *s, s.target(p)
	small.path = "/small"
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: p.name == "relay",                     // it splits connections
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // the certificate is of this run
	}, Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	green := 0
	for i := range requests {
		v := visitor{host: fill(t.host, i), cookie: fill(t.cookie, i)}
		version, given, err := visit(client, small.url(t), v, i)
		if err != nil {
			return 0, nil, fmt.Errorf("cannot visit %s: %w", p.name, err)
		}
		if version == "green" {
			green++
		}
		if given != "" {
			v.cookie = given
		}
		if i < visitors {
			back = append(back, v)
		}
	}
	return float64(green) / requests, back, nil
}

func fill(text string, i int) string { return strings.ReplaceAll(text, "%d", strconv.Itoa(i)) }

// visit sends one request from a client of its own kind.
func visit(client *http.Client, url string, v visitor, i int) (version, given string, err error) {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return "", "", err
	}
	req.Host = v.host
	req.Header.Set("User-Agent", fmt.Sprintf("visitor %d", i))
	if v.cookie != "" {
		req.Header.Set("Cookie", v.cookie)
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", "", err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return "", "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", "", fmt.Errorf("it answered %s", resp.Status)
	}
	given, _, _ = strings.Cut(resp.Header.Get("Set-Cookie"), ";")
	return resp.Header.Get("X-Version"), given, nil
}
