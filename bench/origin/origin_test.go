package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"testing"
	"time"
)

// start serves an origin on a real connection and returns its URL.
func start(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := newServer(newOrigin("green", 0))
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	t.Cleanup(func() {
		// Without a wait for connections: one may hang, as it was asked to.
		if err := errors.Join(l.Close(), <-ended); err != nil {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}

func ask(t *testing.T, method, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func seen(t *testing.T, url string) (s stats) {
	t.Helper()
	_, body := ask(t, "GET", url+"/__origin/stats")
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		t.Fatalf("%q: %v", body, err)
	}
	return s
}

func TestOrigin_CountsUsersAndNotProbes(t *testing.T) {
	url := start(t)
	ask(t, "GET", url+"/healthz")
	if s := seen(t, url); s.Requests != 0 || s.Last != 0 {
		t.Errorf("a probe was counted: %+v", s)
	}
	before := time.Now()
	if code, body := ask(t, "GET", url+"/cart"); code != 200 || body != "hello from green\n" {
		t.Errorf("%d %q", code, body)
	}
	s := seen(t, url)
	if last := time.Unix(0, s.Last); s.Requests != 1 || last.Before(before) || last.After(time.Now()) || s.InFlight != 0 {
		t.Errorf("after one request: %+v", s)
	}
}

func TestOrigin_FailsAsAsked(t *testing.T) {
	url := start(t)
	_, body := ask(t, "POST", url+"/__origin/fault?errors=0.5&unhealthy=1&latency=1ms")
	var then stats
	if err := json.Unmarshal([]byte(body), &then); err != nil || then.Now == 0 || then.Fault == "" {
		t.Errorf("the moment of a fault is told as %s (%v)", body, err)
	}
	if code, _ := ask(t, "GET", url+"/healthz"); code != 503 {
		t.Errorf("the probe gets %d", code)
	}
	failed := 0
	for range 200 {
		if code, _ := ask(t, "GET", url+"/"); code == 500 {
			failed++
		}
	}
	if s := seen(t, url); failed < 60 || failed > 140 || s.Errors != int64(failed) {
		t.Errorf("half of 200 are %d; the origin counts %d", failed, s.Errors)
	}
	ask(t, "POST", url+"/__origin/fault?")
	if code, _ := ask(t, "GET", url+"/"); code != 200 {
		t.Errorf("a healed origin answers %d", code)
	}
	if code, _ := ask(t, "POST", url+"/__origin/fault?errors=2"); code != 400 {
		t.Errorf("a share above 1 gets %d", code)
	}
}

func TestOrigin_FailsThoseOfAFlagAlone(t *testing.T) {
	url := start(t)
	ask(t, "POST", url+"/__origin/fault?errors=1&told=search=on")
	for _, told := range []string{"", "search=off", "search=on"} {
		req, err := http.NewRequest("GET", url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Close = true
		req.Header.Set("X-Weir-Flags", told)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if failed := resp.StatusCode == 500; failed != (told == "search=on") {
			t.Errorf("a request told %q gets %d", told, resp.StatusCode)
		}
	}
}

func TestOrigin_BreaksConnectionsAsAsked(t *testing.T) {
	f := func(fault, want string, wantErr error) {
		t.Helper()
		url := start(t)
		ask(t, "POST", url+"/__origin/fault?"+fault)
		nc, err := net.Dial("tcp", url[len("http://"):])
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		_ = nc.SetDeadline(time.Now().Add(200 * time.Millisecond))
		fmt.Fprint(nc, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		got, err := io.ReadAll(nc)
		if !errors.Is(err, wantErr) || string(got) != want {
			t.Errorf("%s: the client gets %q, %v", fault, got, err)
		}
	}

	f("reset=1", "", syscall.ECONNRESET)
	f("truncated=1", "HTTP/1.1 200 OK\r\nX-Version: green\r\nContent-Length: 1000\r\n\r\nhalf of", nil)
	f("hang=1", "", os.ErrDeadlineExceeded)
}

func TestParseFault(t *testing.T) {
	f := func(query string, want fault) {
		t.Helper()
		want.text = query
		if got, err := parseFault(query); err != nil || got != want {
			t.Errorf("%q is %+v, %v", query, got, err)
		}
	}
	bad := func(query string) {
		t.Helper()
		if got, err := parseFault(query); err == nil {
			t.Errorf("%q is %+v", query, got)
		}
	}

	f("", fault{})
	f("errors=0.5", fault{share: 0.5})
	f("latency=300ms", fault{latency: 300 * time.Millisecond})
	f("hang=1&latency=1s", fault{share: 1, kind: hangsUp, latency: time.Second})
	f("errors=1&told=search=on", fault{share: 1, told: "search=on"})
	f("truncated=0.1&unhealthy=true", fault{share: 0.1, kind: truncates, unhealthy: true})
	bad("errors=0")
	bad("errors=1.1")
	bad("errors=NaN")
	bad("errors=0.1&reset=0.1")
	bad("slow=1")
	bad("latency=soon")
	bad("errors=%zz")
}

func TestOrigin_TellsWhenUsersCame(t *testing.T) {
	url := start(t)
	before := time.Now().UnixNano() / int64(arrivalTick)
	for range 3 {
		ask(t, "GET", url+"/cart")
	}
	ask(t, "GET", url+"/smoke")
	after := time.Now().UnixNano() / int64(arrivalTick)
	f := func(first int64, want int) {
		t.Helper()
		_, body := ask(t, "GET", fmt.Sprintf("%s/__origin/arrivals?first=%d", url, first))
		var a arrived
		if err := json.Unmarshal([]byte(body), &a); err != nil {
			t.Fatal(err)
		}
		sum := 0
		for i, n := range a.Counts {
			if tick := a.First + int64(i); n > 0 && (tick < before || tick > after) {
				t.Errorf("%d users in tick %d, not within %d and %d", n, tick, before, after)
			}
			sum += n
		}
		if sum != want {
			t.Errorf("%d users since tick %d, want %d: %s", sum, first, want, body)
		}
	}
	f(0, 3)
	f(before, 3)
	f(after+1, 0)
}
