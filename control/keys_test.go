package control

import (
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/proxy/route"
)

// sticky is how a node's table keeps the clients of shop.
func (l *lab) sticky() *route.Sticky {
	if s := l.tables.Load().Service("shop"); s != nil {
		return s.Sticky
	}
	return nil
}

// cookie is one that this node would issue now.
func (l *lab) cookie(bucket int, now time.Time) []byte {
	set := l.sticky().AppendCookie(nil, bucket, now.Unix(), false)
	_, value, _ := strings.Cut(string(set), "=")
	value, _, _ = strings.Cut(value, ";")
	return []byte(value)
}

// settled is the step of a rotation that would be due at a moment.
func (l *lab) settled(now time.Time) (next *route.Keyring, text string) {
	l.t.Helper()
	done := make(chan struct{})
	l.post(func() {
		next, text = l.nextKeys(now)
		close(done)
	})
	<-done
	return next, text
}

// signing is the key that this node signs with.
func (l *lab) signing() string { return l.sticky().Keys.SigningID() }

func TestKeys_RotateWithoutMovingAnybody(t *testing.T) {
	a, b := newFleetOfTwo(t)
	doc := shop()
	doc.Sticky = &configs.Sticky{By: "cookie"}
	a.do(ApplyService{Document: doc, Actor: "ana"})
	for _, l := range []*lab{a, b} {
		l.until("clients are kept by a cookie", func() bool { return l.sticky() != nil })
	}
	old := a.signing()
	known := func(l *lab, cookie []byte, now time.Time) {
		t.Helper()
		if bucket, ok := l.sticky().CheckCookie(cookie, now.Unix()); !ok || bucket != 7 {
			t.Errorf("node %s would move the holder of %s: bucket %d, %v", l.node, cookie, bucket, ok)
		}
	}
	now := time.Now()
	before := a.cookie(7, now)

	// The other node is busy and learns nothing for a while.
	release := make(chan struct{})
	b.post(func() { <-release })
	id := a.do(RotateKeys{Actor: "ana"}).Name
	if _, text := a.settled(now.Add(time.Hour)); text != "" {
		t.Errorf("a step although a node lags: %s", text)
	}
	if v := a.View().Keys; len(v) != 2 || v[0].ID != old || v[0].State != KeySigning || v[1].ID != id || v[1].State != KeyWaiting || strings.Join(v[1].Lacking, " ") != b.node {
		t.Errorf("keys are shown as %+v", v)
	}
	if a.signing() != old {
		t.Error("the new key signs before every node knows it")
	}
	known(b, a.cookie(7, now), now)
	if e := a.refused(RotateKeys{Actor: "nobody"}); e.Kind != Conflict || !strings.Contains(e.Text, id) {
		t.Errorf("two rotations at once: %+v", e)
	}

	close(release)
	a.until("the other node knows the key", func() bool { v := a.View().Keys; return len(v) == 2 && len(v[1].Lacking) == 0 })
	if next, _ := a.settled(time.Now()); next != nil {
		t.Error("a node that is away for a moment is not waited for")
	}
	a.post(func() { a.keyTurn.settles = 0 })
	for _, l := range []*lab{a, b} {
		l.until("the new key signs", func() bool { return l.signing() == id })
	}
	now = time.Now()
	known(a, before, now)
	known(b, before, now)
	known(b, a.cookie(7, now), now)
	known(a, b.cookie(7, now), now)

	if next, text := a.settled(now.Add(route.DefaultMaxAge)); next != nil {
		t.Errorf("forgotten while its cookies count: %s", text)
	}
	next, _ := a.settled(now.Add(route.DefaultMaxAge + time.Hour))
	if next == nil || len(next.Keys()) != 1 || next.SigningID() != id {
		t.Errorf("the retired key stays for ever: %+v", next)
	}
	doc.Sticky.Cookie = &configs.StickyCookie{MaxAge: configs.Duration(72 * time.Hour)}
	a.do(ApplyService{Document: doc, Actor: "ana"})
	if next, text := a.settled(now.Add(route.DefaultMaxAge + time.Hour)); next != nil {
		t.Errorf("forgotten while the cookies of a service count: %s", text)
	}
	rotations := 0
	for _, e := range a.View().Audit {
		if e.Object == "keys/cookie" && e.Action == "rotate" {
			rotations++
		}
	}
	if rotations != 2 {
		t.Errorf("%d entries of the trail, want one of ana and one of weir", rotations)
	}
}
