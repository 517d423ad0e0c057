package store

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

func cut(rollout, node, value string) Cut { return Cut{rollout, node, []byte(value)} }

func TestJournal_SurvivesWhateverTheLastLineIs(t *testing.T) {
	a, b := cut("r1", "edge-1", "50% errors"), cut("r2", "edge-1", "line\nbreak")
	whole := formatJournal([]Cut{a, b})
	first := len(formatCut(a))
	f := func(content []byte, want ...Cut) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "cuts.journal")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		reopen := func() *journal {
			j, _, err := openJournal(path, "cut of rollout")
			if err != nil {
				t.Fatal(err)
			}
			return j
		}
		j := reopen()
		if got := j.all(); len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
			t.Fatalf("cuts %v, want %v", got, want)
		}
		// What is appended after a damaged start must be found again.
		c := cut("r3", "edge-1", "later")
		if err := j.append(c); err != nil {
			t.Fatal(err)
		}
		j.close()
		j = reopen()
		defer j.close()
		if got := j.all(); !reflect.DeepEqual(got, append(want, c)) {
			t.Fatalf("cuts after a restart %v, want %v", got, append(want, c))
		}
	}

	f(nil)
	f(whole, a, b)
	for torn := first + 1; torn < len(whole); torn++ {
		f(whole[:torn], a)
	}
	for torn := 1; torn < first; torn += 7 {
		f(whole[:torn])
	}
	flipped := bytes.Clone(whole)
	flipped[first/2] ^= 1
	f(flipped, b)
	f(append([]byte("garbage\n\n"), whole...), a, b)
	f(append(bytes.Clone(whole), formatCut(cut("r1", "edge-1", "newer"))...), cut("r1", "edge-1", "newer"), b)
}

func TestJournal_KeepsADamagedFileAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cuts.journal")
	content := append([]byte("garbage\n"), formatCut(cut("r1", "edge-1", "x"))...)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	j, aside, err := openJournal(path, "cut of rollout")
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	if kept, err := os.ReadFile(aside); err != nil || !bytes.Equal(kept, content) {
		t.Errorf("kept aside %q: %q, %v", aside, kept, err)
	}
}

func TestJournal_AppendsOnceAndRefusesAfterClose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cuts.journal")
	j, _, err := openJournal(path, "cut of rollout")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := j.append(cut("r1", "edge-1", "x")); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, formatCut(cut("r1", "edge-1", "x"))) {
		t.Errorf("journal %q, %v; want one line", b, err)
	}
	j.close()
	if err := j.append(cut("r2", "edge-1", "x")); err == nil {
		t.Error("a closed journal took a cut")
	}
}

// TestJournal_IsAMap compares the journal with a map, through restarts.
func TestJournal_IsAMap(t *testing.T) {
	dir := t.TempDir()
	runs := 0
	rapid.Check(t, func(t *rapid.T) {
		runs++
		path := filepath.Join(dir, fmt.Sprint(runs))
		j, _, err := openJournal(path, "cut of rollout")
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]Cut{}
		name := rapid.SampledFrom([]string{"r1", "r2", "r3"})
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			rollout := name.Draw(t, "rollout")
			switch rapid.IntRange(0, 4).Draw(t, "verb") {
			case 0:
				err = j.forget(rollout, nil)
				for k, c := range want {
					if c.Rollout == rollout {
						delete(want, k)
					}
				}
			case 1:
				j.close()
				j, _, err = openJournal(path, "cut of rollout")
			default:
				c := Cut{rollout, rapid.SampledFrom([]string{"a", "b"}).Draw(t, "node"), rapid.SliceOf(rapid.Byte()).Draw(t, "value")}
				err = j.append(c)
				want[c.key()] = c
			}
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]Cut{}
			for _, c := range j.all() {
				got[c.key()] = c
			}
			if len(got) != len(j.all()) || len(got) != len(want) {
				t.Fatalf("cuts %v, want %v", got, want)
			}
			for k, c := range want {
				if !bytes.Equal(got[k].Value, c.Value) {
					t.Fatalf("cut %s is %q, want %q", k, got[k].Value, c.Value)
				}
			}
		}
		j.close()
	})
}

func FuzzJournal(f *testing.F) {
	f.Add([]byte{})
	f.Add(formatJournal([]Cut{cut("r1", "a", "x"), cut("r1", "b", "y")}))
	f.Add([]byte("00000000 2 {}\n"))
	f.Add([]byte("c0ffee 99999999999999999999 {\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		cuts, torn, _ := parseJournal(b)
		again, tornAgain, damaged := parseJournal(formatJournal(cuts))
		if tornAgain || damaged != 0 || len(again) != len(cuts) {
			t.Fatalf("rewritten %v reads as %v", cuts, again)
		}
		// A torn tail costs at most itself.
		if torn {
			whole, _, _ := parseJournal(b[:bytes.LastIndexByte(b, '\n')+1])
			if len(whole) != len(cuts) {
				t.Fatalf("the torn tail took a whole line with it: %v, %v", cuts, whole)
			}
		}
	})
}
