package route

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// Buckets is the number of shares that the keys of a service are split into.
// One bucket is one basis point of weight.
const Buckets = 10_000

// MaxVersions is the largest number of versions that labels can tell apart.
const MaxVersions = 256

// Labels give each bucket its version, as an index that whoever stores them
// knows the meaning of. Nil: every bucket is of version 0. Otherwise they are
// Buckets long.
type Labels []uint8

// ErrLabels says that a text is not what Labels are stored as.
var ErrLabels = errors.New("not a split: want bN: and base64 of N bits a bucket")

// Counts returns how many buckets each of n versions has. Buckets of versions
// from n on are not counted.
func (l Labels) Counts(n int) []int {
	counts := make([]int, n)
	if l == nil && n > 0 {
		counts[0] = Buckets
	}
	for _, version := range l {
		if int(version) < n {
			counts[version]++
		}
	}
	return counts
}

// Validate says what is wrong with l as the labels of n versions.
func (l Labels) Validate(n int) error {
	if l == nil {
		return nil
	}
	if len(l) != Buckets {
		return fmt.Errorf("cannot use %d labels: want %d", len(l), Buckets)
	}
	for bucket, version := range l {
		if int(version) >= n {
			return fmt.Errorf("cannot use label %d of bucket %d: there are %d versions", version, bucket, n)
		}
	}
	return nil
}

// MarshalText packs l: `b1:` and base64 of one bit a bucket for two versions,
// 1.7 KB; b2, b4 and b8 for more; b0 if every bucket is of version 0. Nil is
// the empty text.
func (l Labels) MarshalText() ([]byte, error) {
	if l == nil {
		return nil, nil
	}
	if len(l) != Buckets {
		return nil, fmt.Errorf("cannot store %d labels: want %d", len(l), Buckets)
	}
	var highest uint8
	for _, version := range l {
		highest = max(highest, version)
	}
	width := widthOf(highest)
	packed := make([]byte, Buckets*width/8)
	if width > 0 {
		perByte := 8 / width
		for bucket, version := range l {
			packed[bucket/perByte] |= version << (bucket % perByte * width)
		}
	}
	text := []byte{'b', '0' + byte(width), ':'}
	return base64.RawStdEncoding.AppendEncode(text, packed), nil
}

// UnmarshalText unpacks what MarshalText packed. An error is ErrLabels and
// leaves l alone.
func (l *Labels) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*l = nil
		return nil
	}
	if len(text) < 3 || text[0] != 'b' || !strings.ContainsRune("01248", rune(text[1])) || text[2] != ':' {
		return ErrLabels
	}
	width := int(text[1] - '0')
	// Strict, so that no two texts mean the same; the length is checked first,
	// so that a huge text costs nothing.
	if len(text)-3 != base64.RawStdEncoding.EncodedLen(Buckets*width/8) {
		return ErrLabels
	}
	packed := make([]byte, Buckets*width/8)
	n, err := base64.RawStdEncoding.Strict().Decode(packed, text[3:])
	if err != nil || n != len(packed) {
		return ErrLabels
	}
	labels := make(Labels, Buckets)
	if width > 0 {
		perByte := 8 / width
		for bucket := range labels {
			labels[bucket] = packed[bucket/perByte] >> (bucket % perByte * width) & (1<<width - 1)
		}
	}
	*l = labels
	return nil
}

// widthOf returns how many bits a bucket needs: 0, 1, 2, 4 or 8.
func widthOf(highest uint8) int {
	switch {
	case highest == 0:
		return 0
	case highest < 2:
		return 1
	case highest < 4:
		return 2
	case highest < 16:
		return 4
	}
	return 8
}
