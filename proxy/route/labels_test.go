package route

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestLabels_TextRoundTrip(t *testing.T) {
	f := func(labels Labels, wantBytes int) {
		t.Helper()
		text, err := labels.MarshalText()
		if err != nil || len(text) != wantBytes {
			t.Fatalf("%d bytes, %v, want %d", len(text), err, wantBytes)
		}
		got := Labels{9}
		if err := got.UnmarshalText(text); err != nil || !slices.Equal(got, labels) || (got == nil) != (labels == nil) {
			t.Fatalf("%.20s came back as others: %v", text, err)
		}
	}
	of := func(n int) Labels {
		labels := make(Labels, Buckets)
		for bucket := range labels {
			labels[bucket] = uint8(bucket * 7 % n)
		}
		return labels
	}
	f(nil, 0)
	f(of(1), 3)
	f(of(2), 3+1667)
	f(of(3), 3+3334)
	f(of(16), 3+6667)
	f(of(17), 3+13334)
	f(of(256), 3+13334)
}

func TestLabels_InJSON(t *testing.T) {
	type state struct {
		Labels Labels `json:"labels,omitempty"`
	}
	labels := mustRelabel(t, nil, []int{9000, 1000}, "r")
	for _, want := range []state{{}, {labels}} {
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got state
		if err := json.Unmarshal(text, &got); err != nil || !slices.Equal(got.Labels, want.Labels) {
			t.Fatalf("%.40s: %v", text, err)
		}
	}
}

func TestLabels_RefuseWhatIsNone(t *testing.T) {
	good, _ := mustRelabel(t, nil, []int{9000, 1000}, "r").MarshalText()
	kept := Labels{1, 2, 3}
	for _, text := range []string{
		"b", "b1", "b1:", "b0:A", "x1:", "b3:", "b9:", "b1:!", "null",
		string(good[:len(good)-1]), string(good) + "A", string(good) + "\n", "B1" + string(good[2:]),
		strings.Replace(string(good), "b1", "b2", 1),
	} {
		labels := kept
		if err := labels.UnmarshalText([]byte(text)); err != ErrLabels || !slices.Equal(labels, kept) {
			t.Errorf("%.20q: %v, labels of %d", text, err, len(labels))
		}
	}
	if _, err := (Labels{1}).MarshalText(); err == nil {
		t.Errorf("stored one label")
	}
}

func TestLabels_Validate(t *testing.T) {
	labels := mustRelabel(t, nil, []int{9000, 500, 500}, "r")
	f := func(l Labels, n int, want bool) {
		t.Helper()
		if got := l.Validate(n) == nil; got != want {
			t.Errorf("%d labels of %d versions: valid %v, want %v", len(l), n, got, want)
		}
	}
	f(nil, 0, true)
	f(labels, 3, true)
	f(labels, 2, false)
	f(labels[:9], 3, false)
	f(Labels{}, 3, false)
}

func FuzzLabels(f *testing.F) {
	good, _ := mustRelabel(f, nil, []int{5000, 3000, 2000}, "r").MarshalText()
	f.Add(good)
	f.Add([]byte("b0:"))
	f.Add([]byte(""))
	f.Add([]byte("b8:AAAA"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var labels, again Labels
		if labels.UnmarshalText(text) != nil {
			return
		}
		if labels.Validate(MaxVersions) != nil {
			t.Fatalf("accepted what is not valid")
		}
		packed, err := labels.MarshalText()
		if err != nil || again.UnmarshalText(packed) != nil || !slices.Equal(again, labels) {
			t.Fatalf("%.30q does not come back: %v", text, err)
		}
	})
}

func TestSplit_PicksByLabelAndIsAlwaysAnIndex(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		labels := Labels(rapid.SliceOfN(rapid.Uint8Range(0, 5), 0, 40).Draw(t, "labels"))
		versions := rapid.IntRange(1, 6).Draw(t, "versions")
		split := NewSplit(labels, versions)
		for bucket := range 50 {
			want := 0
			if bucket < len(labels) && int(labels[bucket]) < versions {
				want = int(labels[bucket])
			}
			if got := split.Pick(bucket); got != want {
				t.Fatalf("bucket %d: %d, want %d", bucket, got, want)
			}
		}
	})
}

func TestBucketAt_CoversAllEvenly(t *testing.T) {
	if BucketAt(0) != 0 || BucketAt(1<<64-1) != Buckets-1 {
		t.Fatalf("ends are %d and %d", BucketAt(0), BucketAt(1<<64-1))
	}
	var counts [Buckets]int
	const each = 100
	for i := range uint64(each * Buckets) {
		counts[BucketAt(i*((1<<64-1)/(each*Buckets)))]++
	}
	if low, high := slices.Min(counts[:]), slices.Max(counts[:]); low < each-1 || high > each+1 {
		t.Fatalf("between %d and %d numbers a bucket", low, high)
	}
}

func TestStatusSet_Has(t *testing.T) {
	s, err := ErrorStatuses(429, 404)
	if err != nil {
		t.Fatal(err)
	}
	for code := -10; code < 2000; code++ {
		want := code >= 500 && code < 600 || code == 429 || code == 404
		if s.Has(code) != want {
			t.Errorf("%d: %v", code, s.Has(code))
		}
	}
	for _, code := range []int{-1, 0, 99, 600} {
		if _, err := ErrorStatuses(code); err == nil {
			t.Errorf("%d is accepted", code)
		}
	}
}
