package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestUnseal_SaysWhatIsWrong(t *testing.T) {
	good := seal(copyKind, []byte("payload"))
	f := func(b []byte, kind string, damaged bool, want string) {
		t.Helper()
		_, err := unseal(kind, b)
		if err == nil || errors.Is(err, ErrDamaged) != damaged || !strings.Contains(err.Error(), want) {
			t.Errorf("unseal: %v, want %q, damaged %v", err, want, damaged)
		}
	}
	if b, err := unseal(copyKind, good); err != nil || string(b) != "payload" {
		t.Errorf("unseal of a good file: %q, %v", b, err)
	}
	f(nil, copyKind, true, "no header")
	f([]byte("hello\n"), copyKind, true, "not readable")
	f(good, fuseKind, true, "kind")
	f(good[:len(good)-1], copyKind, true, "6 of 7 bytes")
	f(append(bytes.Clone(good[:len(good)-1]), 'X'), copyKind, true, "checksum")
	f(bytes.Replace(good, []byte(`"version":1`), []byte(`"version":2`), 1), copyKind, false, "newer weir")
}

func TestUnseal_FindsEveryFlippedBit(t *testing.T) {
	good := seal(fuseKind, []byte("some state of a judge"))
	start := bytes.IndexByte(good, '\n') + 1
	for i := start; i < len(good); i++ {
		for bit := range 8 {
			bad := bytes.Clone(good)
			bad[i] ^= 1 << bit
			if _, err := unseal(fuseKind, bad); !errors.Is(err, ErrDamaged) {
				t.Fatalf("bit %d of byte %d: %v", bit, i, err)
			}
		}
	}
}

func TestWriteFile_ReplacesOrLeavesTheOld(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	for _, want := range []string{"one", "two"} {
		if err := writeFile(path, []byte(want)); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(path); err != nil || string(b) != want {
			t.Errorf("file is %q, %v; want %q", b, err, want)
		}
	}
	if err := writeFile(filepath.Join(path, "below-a-file"), nil); err == nil {
		t.Error("a file under a file was written")
	}
	if left, _ := filepath.Glob(path + ".*"); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func FuzzCopy(f *testing.F) {
	path := filepath.Join(f.TempDir(), "copy")
	c := diskCopy{"/weir/default", 7, 7, time.Unix(1, 0).UTC(), []KV{{"services/shop", []byte("x"), 7, 3}}}
	if err := writeCopy(path, c); err != nil {
		f.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	if got, err := parseCopy(good); err != nil || !reflect.DeepEqual(got, c) {
		f.Fatalf("copy %+v, %v", got, err)
	}
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add(seal(copyKind, []byte(`{"kvs":[{}]}`)))
	f.Add(seal(copyKind, []byte(`[]`)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := parseCopy(b); err == nil && !bytes.Contains(b, []byte(copyKind)) {
			t.Fatal("accepted what is no copy")
		}
	})
}

func TestCutOf_IsTheInverseOfCutKey(t *testing.T) {
	f := func(key, rollout, node string, ok bool) {
		t.Helper()
		r, n, got := CutOf(key)
		if got != ok || ok && (r != rollout || n != node) {
			t.Errorf("CutOf(%q) = %q, %q, %v", key, r, n, got)
		}
	}
	f(CutKey("shop-7", "edge-1"), "shop-7", "edge-1", true)
	f(CutKey("shop-7", "edge-1/green"), "shop-7", "edge-1/green", true)
	f("cuts/shop-7/", "", "", false)
	f("cuts/shop-7", "", "", false)
	f("cuts//edge-1", "", "", false)
	f("nodes/edge-1", "", "", false)
}

func TestPrefix_HasOneLeadingSlash(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := cleanPrefix(in); got != want {
			t.Errorf("prefix %q becomes %q, want %q", in, got, want)
		}
	}
	f("", DefaultPrefix)
	f("/", DefaultPrefix)
	f("/weir/production", "/weir/production")
	f("weir/production/", "/weir/production")
}

func TestOptions_SaysWhatIsMissing(t *testing.T) {
	f := func(o Options, want string) {
		t.Helper()
		if err := o.fill(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", o, err, want)
		}
	}
	f(Options{Node: "a"}, "either embedded or etcd")
	f(Options{Node: "a", Embedded: &Embedded{"d"}, External: &External{}}, "either embedded or etcd")
	f(Options{Embedded: &Embedded{"d"}}, "no name")
	f(Options{Node: "a", Embedded: &Embedded{}}, "directory")
	f(Options{Node: "a", External: &External{}}, "endpoint")
	f(Options{Node: "a", External: &External{Endpoints: []string{"http://127.0.0.1:2379"}}}, "cut journal")
}
