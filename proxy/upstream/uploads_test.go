package upstream

import (
	"testing"
	"time"
)

// under is an upload at e of so many bytes a second that began a minute ago, and
// where it is noted that it gave way.
func under(t *testing.T, p *Pool, e *Endpoint, rate int64) (u *Upload, gone *bool) {
	t.Helper()
	gone = new(bool)
	u = &Upload{GiveUp: func() { *gone = true }}
	u.Bytes.Store(rate * 60)
	if !p.BeginUpload(e, u, 0, time.Second) {
		t.Fatal("there was room")
	}
	return u, gone
}

func TestUploads_SlowestGivesWay(t *testing.T) {
	r := NewRegistry(Options{})
	e := r.Endpoint("shop", "v1", "127.0.0.1:1")
	p := NewPool([]*Endpoint{e}, Policy{Uploads: 3})
	_, fast := under(t, p, e, 1<<20)
	_, slow := under(t, p, e, 300)
	_, better := under(t, p, e, 10<<10)
	minute := int64(time.Minute)
	if !p.BeginUpload(e, new(Upload), minute, time.Second) || !*slow || *fast || *better {
		t.Fatalf("the slowest gave way: %v, others: %v, %v", *slow, *fast, *better)
	}
	if !p.BeginUpload(e, new(Upload), minute, time.Second) || !*better || *fast {
		t.Fatalf("the next one gave way: %v, the fast one: %v", *better, *fast)
	}
	// The two that came are too young to be called slow.
	last := new(Upload)
	if p.BeginUpload(e, last, minute, time.Second) {
		t.Fatal("nobody slow is left, and one more began")
	}
	refused := 0
	r.Refusals(func(_, _ string, c Circuit, n uint64) {
		if c == UploadsCircuit {
			refused = int(n)
		}
	})
	if refused != 1 {
		t.Errorf("%d refusals counted, want 1", refused)
	}
}

func TestUploads_EndMakesRoomOnce(t *testing.T) {
	r := NewRegistry(Options{})
	e := r.Endpoint("shop", "v1", "127.0.0.1:1")
	p := NewPool([]*Endpoint{e}, Policy{Uploads: 2})
	first, second, third := new(Upload), new(Upload), new(Upload)
	f := func(u *Upload, want bool) {
		t.Helper()
		if p.BeginUpload(e, u, 0, time.Hour) != want {
			t.Fatalf("began: %v", !want)
		}
	}
	f(first, true)
	f(second, true)
	f(third, false)
	e.EndUpload(third) // it has no place to give
	f(third, false)
	e.EndUpload(first)
	e.EndUpload(first)
	f(third, true)
	f(first, false)
}
