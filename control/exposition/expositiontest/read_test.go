package expositiontest

import (
	"fmt"
	"strings"
	"testing"
)

// recorder keeps what a test would report.
type recorder struct{ said []string }

func (r *recorder) Helper() {}
func (r *recorder) Errorf(format string, args ...any) {
	r.said = append(r.said, fmt.Sprintf(format, args...))
}
func (r *recorder) Fatalf(format string, args ...any) { r.Errorf(format, args...) }

func TestRead_SeesWhatIsWrong(t *testing.T) {
	f := func(page, want string) {
		t.Helper()
		var r recorder
		Read(&r, page)
		if got := strings.Join(r.said, "; "); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("of %q it says %q, not %q", page, got, want)
		}
	}
	family := func(name, kind string, lines ...string) string {
		return "# HELP " + name + " Text.\n# TYPE " + name + " " + kind + "\n" + strings.Join(lines, "\n") + "\n"
	}
	f(family("weir_a", "gauge", `weir_a{b="c"} 1`, `weir_a{b="d"} 2`), "")
	f(family("weir_a", "gauge", `weir_a{b="c",d="e"} 1`, `weir_a{d="e",b="c"} 2`), `weir_a{b="c",d="e"} is there twice`)
	f(family("weir_a", "gauge", "weir_a NaN"), "no good value")
	f(family("weir_a_total", "counter", "weir_a_total -1"), "no good value")
	f(family("weir_a", "counter", "weir_a 1"), "weir_a is a counter")
	f(family("weir_a_total", "gauge", "weir_a_total 1"), "weir_a_total is a gauge")
	f(family("weir_a", "gauge", "weir_b 1"), "weir_b stands below weir_a")
	f(family("weir_a", "gauge", "weir_a 1")+family("weir_b", "gauge")+family("weir_a", "gauge"), "two pieces")
	f("# HELP weir_a \n# TYPE weir_a gauge\nweir_a 1\n", "no help")
	f("# HELP weir_a Text.\nweir_a 1\n", "no TYPE")
	f("# TYPE weir_a gauge\nweir_a 1\n", "does not follow its HELP")
	f(family("weir_a", "gauge", "weir_a 1")[:10], "no TYPE")
	f(strings.TrimSuffix(family("weir_a", "gauge", "weir_a 1"), "\n"), "line's end")
	f(family("weir_a", "histogram", `weir_a_bucket{le="1"} 2`, `weir_a_bucket{le="2"} 1`, `weir_a_bucket{le="+Inf"} 2`, "weir_a_sum 1", "weir_a_count 2"), "do not rise")
	f(family("weir_a", "histogram", `weir_a_bucket{le="1"} 2`, "weir_a_sum 1", "weir_a_count 2"), "no bucket +Inf")
	f(family("weir_a", "histogram", `weir_a_bucket{le="1"} 2`, `weir_a_bucket{le="+Inf"} 2`, "weir_a_sum 1", "weir_a_count 3"), "weir_a_count{} is 3")
}
