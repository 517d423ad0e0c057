package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/api"
)

// busy is a look at a few services.
func busy(services int) topLook {
	l := topLook{node: "edge-1"}
	for i := range services {
		s := *shop()
		s.Name = fmt.Sprintf("shop-%02d", i)
		s.Versions = append([]api.Version{}, s.Versions...)
		for j := range s.Versions {
			v := &s.Versions[j]
			v.Role, v.Weight = "stable", configs.Weight(7500)
			v.RPS /= float64(i + 1)
			v.P99 += float64(10 * i)
			v.Endpoints = append([]api.Endpoint{}, v.Endpoints...)
			v.Endpoints[0].InFlight = int64(i)
		}
		s.Versions[1].Role, s.Versions[1].Weight = "candidate", 2500
		if i%2 == 0 {
			s.Rollout = s.Name + "-20260105-1402-abcde"
		}
		l.services = append(l.services, s)
	}
	return l
}

func TestTop_Picture(t *testing.T) {
	f := func(name string, services, width, height int, edit func(*topView)) {
		t.Helper()
		v := &topView{order: byRequests}
		v.take(busy(services), at(0))
		edit(v)
		golden(t, "picture/"+name+".txt", rendered(v.picture(width, height), width, false))
	}
	f("top-80", 2, 80, 20, func(*topView) {})
	f("top-140", 2, 140, 20, func(*topView) {})
	f("top-page", 9, 140, 10, func(v *topView) {
		v.picture(140, 10)
		v.press(keyPageDown)
		v.press(keyDown)
	})
	f("top-filter", 9, 140, 10, func(v *topView) {
		for _, k := range keysOf("/08 \x7f8\r9") {
			v.press(k)
		}
	})
	f("top-typing", 9, 140, 10, func(v *topView) {
		for _, k := range keysOf("/none") {
			v.press(k)
		}
	})
	f("top-lost", 1, 140, 10, func(v *topView) {
		v.take(topLook{err: errors.New("connection refused")}, at(6*time.Second))
	})
	f("top-empty", 0, 140, 10, func(*topView) {})
}

func TestTop_FitsEveryPage(t *testing.T) {
	for width := 20; width < 200; width += 9 {
		for height := 4; height < 40; height += 5 {
			v := &topView{order: byName}
			v.take(busy(15), at(0))
			for range 5 {
				v.press(keyPageDown)
				picture := v.picture(width, height)
				if len(picture) > max(height, 5) {
					t.Fatalf("%d lines on a page of %d", len(picture), height)
				}
				for _, l := range picture {
					if n := utf8.RuneCountInString(l.render(width, false)); n > width {
						t.Fatalf("a line of %d columns on a page of %d", n, width)
					}
				}
			}
		}
	}
}

func TestTop_SortsByEveryColumn(t *testing.T) {
	v := &topView{}
	v.take(busy(3), at(0))
	f := func(k key, want string) {
		t.Helper()
		if v.press(k) {
			t.Fatalf("%s ends it", k)
		}
		if r := v.shown()[0]; r.Service+" "+r.Version != want {
			t.Errorf("%s puts %s %s first, want %s", k, r.Service, r.Version, want)
		}
	}
	f("r", "shop-00 blue")
	f("e", "shop-00 green")
	f("5", "shop-00 green")
	f("9", "shop-02 green")
	f("i", "shop-02 blue")
	f("w", "shop-00 blue")
	f("n", "shop-00 blue")
	for _, k := range []key{"q", keyInterrupt} {
		if !v.press(k) {
			t.Errorf("%s does not end it", k)
		}
	}
}

func TestKeys_AreReadFromWhatTerminalsSend(t *testing.T) {
	f := func(text string, want ...key) {
		t.Helper()
		if got := keysOf(text); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
	f("")
	f("q", "q")
	f("\x1b", keyEscape)
	f("\x1b[A\x1b[B\x1bOA\x1b[5~\x1b[6~x", keyUp, keyDown, keyUp, keyPageUp, keyPageDown, "x")
	f("\x1b[1;5C")
	f("\x03\r\x7f", keyInterrupt, keyEnter, keyBackspace)
}

func TestTop_IsJSONForScripts(t *testing.T) {
	_, server := newRestless(t)
	code, out, errs := weir(t.Context(), "top", "-o", "json", "--control", server.URL)
	if code != exitDone || strings.TrimSpace(out) != "[]" {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	var fields map[string]any
	row, err := json.Marshal(topRow{})
	if err == nil {
		err = json.Unmarshal(row, &fields)
	}
	if err != nil || len(fields) != 12 {
		t.Errorf("a row has the fields %v: %v", fields, err)
	}
}
