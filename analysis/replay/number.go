package replay

import (
	"fmt"
	"strconv"
	"time"
)

// parseCount reads a whole number. It returns what is wrong with it.
func parseCount(text []byte) (uint64, string) {
	var n uint64
	for _, b := range text {
		if b < '0' || b > '9' {
			return 0, fmt.Sprintf("%q is no count: write a whole number", shorten(string(text)))
		}
		if n = n*10 + uint64(b-'0'); n >= maxCount {
			return 0, fmt.Sprintf("%s is more than a tick can have", shorten(string(text)))
		}
	}
	return n, ""
}

// parseTime reads seconds with up to nine decimals, without the rounding of a
// float. It returns what is wrong with them.
func parseTime(text []byte) (time.Duration, string) {
	var whole, fraction int64
	decimals := -1 // none until the point
	digits := 0
	for _, b := range text {
		switch {
		case b == '.' && decimals < 0 && digits > 0:
			decimals = 0
			continue
		case b < '0' || b > '9':
			return 0, fmt.Sprintf("%q is no time: write seconds since the trial began, such as 12 or 12.3", shorten(string(text)))
		}
		digits++
		switch {
		case decimals < 0:
			if whole = whole*10 + int64(b-'0'); whole > int64(maxTime/time.Second) {
				return 0, fmt.Sprintf("%s is later than a trial can last", shorten(string(text)))
			}
		case decimals < 9:
			fraction = fraction*10 + int64(b-'0')
			decimals++
		default:
			return 0, fmt.Sprintf("%q is finer than a nanosecond", shorten(string(text)))
		}
	}
	if decimals == 0 || digits == 0 {
		return 0, fmt.Sprintf("%q is no time: write seconds since the trial began, such as 12 or 12.3", shorten(string(text)))
	}
	for ; decimals >= 0 && decimals < 9; decimals++ {
		fraction *= 10
	}
	return time.Duration(whole)*time.Second + time.Duration(fraction), ""
}

// seconds writes a time as the file does.
func seconds(d time.Duration) string { return string(appendSeconds(nil, d)) }

// appendSeconds writes a time of 0 or more exactly, which a float would not.
func appendSeconds(b []byte, d time.Duration) []byte {
	b = strconv.AppendInt(b, int64(d/time.Second), 10)
	if d%time.Second == 0 {
		return b
	}
	b = append(b, '.')
	for unit := time.Second; d%unit > 0; {
		unit /= 10
		b = append(b, '0'+byte(d/unit%10))
	}
	return b
}

// shorten keeps what is quoted from a file readable.
func shorten(s string) string {
	const most = 40
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
