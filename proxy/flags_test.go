package proxy

import (
	"bytes"
	"strconv"
	"strings"
	"testing"

	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
)

// flagging gives the service a flag that all but X-Beta: yes have off, and one
// that half of the users, by X-User, have on.
func flagging(keys *route.Keyring) func(*route.Service, *Options) {
	return func(s *route.Service, _ *Options) {
		variants := func() []route.Variant {
			return []route.Variant{{Name: "off", Recorder: stats.NewRecorder(1)}, {Name: "on", Recorder: stats.NewRecorder(1)}}
		}
		beta := route.FlagRule{Variant: 1, Share: route.Buckets, All: []route.Condition{route.NewCondition(route.Header, "X-Beta", []string{"yes"}, 0, nil, "")}}
		labels := make(route.Labels, route.Buckets)
		for i := range route.Buckets / 2 {
			labels[i] = 1
		}
		s.Flags = []*route.Flag{
			route.NewFlag(route.Flag{Name: "beta", Variants: variants(), Split: route.NewSplit(nil, 2), Rules: []route.FlagRule{beta}, Record: true}, nil),
			route.NewFlag(route.Flag{Name: "half", Variants: variants(), Split: route.NewSplit(labels, 2), Mixed: true, KeyBy: route.Header, KeyName: "X-User", Record: true}, keys),
		}
	}
}

func testKeyring(t testing.TB) *route.Keyring {
	t.Helper()
	keys, err := route.NewKeyring(bytes.NewReader(bytes.Repeat([]byte("seed"), 64)))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// flagsSeen is an endpoint that answers with the flags it was told.
func flagsSeen(t *testing.T) *rawUpstream {
	return newUpstream(t, func(c *upConn) {
		for {
			request := c.request()
			if request == "" {
				return
			}
			var seen []string
			for line := range strings.Lines(request) {
				if name, value, ok := strings.Cut(line, ": "); ok && strings.EqualFold(strings.ReplaceAll(name, "_", "-"), "x-weir-flags") { // as CGI has it
					seen = append(seen, strings.TrimSpace(value))
				}
			}
			status := "200 OK"
			if strings.Contains(request, "/broken") {
				status = "500 Oops"
			}
			c.write("HTTP/1.1 " + status + "\r\nContent-Length: " + strconv.Itoa(len(strings.Join(seen, "|"))) + "\r\n\r\n" + strings.Join(seen, "|"))
		}
	})
}

func TestFlags_EndpointsAreToldAndClientsCannotSay(t *testing.T) {
	w := newWorld(t, flagging(testKeyring(t)), flagsSeen(t))
	c := w.dial()
	f := func(fields, want string) {
		t.Helper()
		if got, _ := c.ask("/", fields); got != want {
			t.Errorf("with %q the endpoint saw %q, want %q", fields, got, want)
		}
	}
	f("", "beta=off, half=off")
	f("X-Beta: yes\r\n", "beta=on, half=off")
	f("X-Weir-Flags: beta=on\r\nx-weir-flags: half=on\r\n", "beta=off, half=off")
	f("X_Weir_Flags: beta=on\r\nx-weir_flags: half=on\r\n", "beta=off, half=off")

	met := map[string]bool{}
	for i := range 64 {
		user := "X-User: " + strconv.Itoa(i) + "\r\n"
		first, _ := c.ask("/", user)
		if again, _ := c.ask("/other?x=1", user); again != first {
			t.Errorf("user %d was given %q and then %q", i, first, again)
		}
		met[first] = true
	}
	if len(met) != 2 || !met["beta=off, half=on"] || !met["beta=off, half=off"] {
		t.Errorf("64 users met %v", met)
	}
}

func TestFlags_OutcomesAreTheirVariants(t *testing.T) {
	w := newWorld(t, flagging(testKeyring(t)), flagsSeen(t))
	c := w.dial()
	for i := range 20 {
		c.ask("/broken", "X-Beta: yes\r\nX-User: "+strconv.Itoa(i)+"\r\n")
		c.ask("/", "X-User: "+strconv.Itoa(i)+"\r\n")
	}
	totals := func(flag, variant int) *stats.Totals {
		w.totals(0) // nothing is in flight
		out := new(stats.Totals)
		waitUntil(t, "the variant's requests have ended", func() bool {
			w.service.Flags[flag].Variants[variant].Recorder.Totals(out)
			return out.InFlight == 0
		})
		return out
	}
	if got := totals(0, 1); got.Lanes[stats.Forced] != 20 || got.Codes[500] != 20 || got.Lanes[stats.Split] != 0 {
		t.Errorf("of beta=on were counted %v and %d answers of 500", got.Lanes, got.Codes[500])
	}
	if got := totals(0, 0); got.Lanes[stats.Split] != 20 || got.Codes[200] != 20 {
		t.Errorf("of beta=off were counted %v and %d answers of 200", got.Lanes, got.Codes[200])
	}
	on, off := totals(1, 1), totals(1, 0)
	if on.Lanes[stats.Split]+off.Lanes[stats.Split] != 40 || on.Codes[500] != on.Codes[200] || off.Codes[500] != off.Codes[200] || on.Codes[200] == 0 || off.Codes[200] == 0 {
		t.Errorf("half: %v with %d and %d; %v with %d and %d", on.Lanes, on.Codes[200], on.Codes[500], off.Lanes, off.Codes[200], off.Codes[500])
	}
}

// A failure that shield or a retry makes good is the variant's all the same, and
// is counted once.
func TestFlags_TheFirstAttemptCounts(t *testing.T) {
	change, shielded := flagging(testKeyring(t)), candidateFirst(route.Retry{Attempts: 3}, true, nil)
	w := fleet(t, func(s *route.Service, o *Options) {
		change(s, o)
		shielded(s, o)
	}, []*script{gives(t, broken)}, []*script{gives(t, hello)})
	if status, body := w.asks(get); status != 200 || body != "hello" {
		t.Fatalf("stable was asked instead and answered %d %q", status, body)
	}
	out := new(stats.Totals)
	waitUntil(t, "the request was counted", func() bool {
		w.service.Flags[0].Variants[0].Recorder.Totals(out)
		return out.Codes[500]+out.Codes[0] == 1
	})
	w.settled(1)
	if w.service.Flags[0].Variants[0].Recorder.Totals(out); out.Lanes[stats.Split] != 1 || out.InFlight != 0 || out.Codes[200] != 0 {
		t.Errorf("counted %v, %d answers of 200, %d in flight", out.Lanes, out.Codes[200], out.InFlight)
	}
}
