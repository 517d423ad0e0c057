package exposition_test

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirproxy/weir/control/exposition"
	"github.com/weirproxy/weir/control/exposition/expositiontest"
)

func text(t expositiontest.T, p *exposition.Page) string {
	t.Helper()
	var b strings.Builder
	if _, err := p.WriteTo(&b); err != nil {
		t.Fatalf("cannot write: %v", err)
	}
	return b.String()
}

func TestPage_FamiliesStayInOnePiece(t *testing.T) {
	var p exposition.Page
	requests := p.Counter("requests_total", "Requests.")
	up := p.Gauge("up", `A "quoted" text, a \ and`+"\na second line.")
	base := exposition.LabelsOf("service", "shop")
	requests.AddTo(base, 12_345_678, "code", "200")
	up.Add(.25)
	requests.AddTo(base, 1, "code", "503")
	up.Add(math.NaN(), "of", "nobody")
	took := p.Histogram("took_seconds", "Time.")
	took.Buckets(base, []string{exposition.Bound(.001), exposition.Bound(2.5)}, []uint64{1, 3}, 4, 7.5)
	want := `# HELP requests_total Requests.
# TYPE requests_total counter
requests_total{service="shop",code="200"} 12345678
requests_total{service="shop",code="503"} 1
# HELP up A "quoted" text, a \\ and\na second line.
# TYPE up gauge
up 0.25
# HELP took_seconds Time.
# TYPE took_seconds histogram
took_seconds_bucket{service="shop",le="0.001"} 1
took_seconds_bucket{service="shop",le="2.5"} 3
took_seconds_bucket{service="shop",le="+Inf"} 4
took_seconds_sum{service="shop"} 7.5
took_seconds_count{service="shop"} 4
`
	got := text(t, &p)
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	expositiontest.Read(t, got)
}

// Whatever a label holds comes back as it was, or as valid UTF-8 at least.
func TestPage_AnyLabelComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.SampledFrom([]byte("\\\"\n,}{= \xff"))), func(b []byte) string { return string(b) })).Draw(t, "value")
		number := rapid.Float64().Draw(t, "number")
		var p exposition.Page
		p.Gauge("weir_x", "X.").Add(number, "a", "b", "label", value)
		families := expositiontest.Read(t, text(t, &p))
		s := families["weir_x"].Samples
		if len(s) != 1 || s[0].Labels["label"] != strings.ToValidUTF8(value, "�") || s[0].Value != number {
			t.Fatalf("%q %v came back as %v", value, number, s)
		}
	})
}
