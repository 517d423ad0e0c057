package dashboard

import (
	"testing"
	"time"
)

func TestFormat_FiguresAreShortAndSayNoMoreThanTheyKnow(t *testing.T) {
	f := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	f(rate(0), "0")
	f(rate(.004), "<0.01")
	f(rate(3.14159), "3.1")
	f(rate(9.96), "10")
	f(rate(1234.5), "1\u202f235")
	f(percent(0), "0%")
	f(percent(.00001), "<0.01%")
	f(percent(.0002), "0.02%")
	f(percent(.045), "4.5%")
	f(percent(.04), "4%")
	f(percent(.1), "10%")
	f(percent(.4878), "48.8%")
	f(percent(1), "100%")
	f(percent(.9999), "100%")
	f(millis(0), "–")
	f(millis(.0504), "50\u202fµs")
	f(millis(1), "1.0\u202fms")
	f(millis(340.4), "340\u202fms")
	f(millis(12_000), "12.0\u202fs")
	f(span(-time.Second), "0\u202fs")
	f(span(59*time.Second), "59\u202fs")
	f(span(90*time.Second), "1\u202fmin 30\u202fs")
	f(span(2*time.Hour), "2\u202fh")
	f(span(50*time.Hour), "2\u202fd 2\u202fh")
	f(number(uint64(999)), "999")
	f(number(uint64(1000)), "1\u202f000")
	f(number(int64(-123456)), "-123\u202f456")
	f(count(1, "cut", "cuts"), "1 cut")
	f(count(2, "cut", "cuts"), "2 cuts")
	f(sentence("so it is"), "So it is.")
	f(sentence("Is it?"), "Is it?")
	f(sentence("élan"), "élan.")
	f(sentence(""), "")
	f(stamp(time.Time{}), "never")
	f(evidenceText(.01), "<0.1")
	f(evidenceText(3.14), "3.1")
	f(evidenceText(8117), "8\u202f117")
	f(evidenceText(2.5e18), "10^18")
}
