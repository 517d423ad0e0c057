package api

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/weirproxy/weir/control/exposition"
)

// scrapeWait is how long a scrape waits for those before it: Prometheus gives up
// after 10 s by default.
const scrapeWait = 10 * time.Second

// scrapes serve the page of metrics, one at a time: whoever reaches the status
// address needs no token, and must not make the node render many pages at once.
type scrapes struct {
	render func(io.Writer)   // nil: there are no metrics
	turn   chan *gzip.Writer // holds the one compressor; nil in it: not made yet
}

func newScrapes(render func(io.Writer)) *scrapes {
	s := &scrapes{render: render, turn: make(chan *gzip.Writer, 1)}
	s.turn <- nil
	return s
}

func (s *scrapes) serve(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), scrapeWait)
	defer cancel()
	compressed := acceptsGzip(r.Header.Values("Accept-Encoding"))
	page, ok := s.page(ctx, compressed)
	if !ok {
		problem(http.StatusServiceUnavailable, "scrape less often, or with fewer scrapers", "other scrapes took longer than %s", scrapeWait).write(w)
		return
	}
	h := w.Header()
	h.Set("Content-Type", exposition.ContentType)
	h.Set("Vary", "Accept-Encoding")
	h.Set("Content-Length", strconv.Itoa(len(page)))
	if compressed {
		h.Set("Content-Encoding", "gzip")
	}
	_, _ = w.Write(page) // the client went away if this fails
}

// page renders a page as a whole, so that a slow reader holds up no other.
func (s *scrapes) page(ctx context.Context, compressed bool) ([]byte, bool) {
	var zip *gzip.Writer
	select {
	case <-ctx.Done():
		return nil, false
	case zip = <-s.turn:
		defer func() { s.turn <- zip }()
	}
	var page bytes.Buffer
	switch {
	case s.render == nil:
	case !compressed:
		s.render(&page)
	default:
		if zip == nil {
			zip, _ = gzip.NewWriterLevel(nil, gzip.BestSpeed) // a level that there is
		}
		zip.Reset(&page)
		s.render(zip)
		_ = zip.Close() // a buffer takes everything
	}
	return page.Bytes(), true
}

// acceptsGzip reads Accept-Encoding (RFC 9110, section 12.5.3).
func acceptsGzip(fields []string) bool {
	wild := false
	for part := range strings.SplitSeq(strings.Join(fields, ","), ",") {
		coding, weight, _ := strings.Cut(part, ";")
		name, value, _ := strings.Cut(weight, "=")
		q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		refused := strings.EqualFold(strings.TrimSpace(name), "q") && (err != nil || q <= 0)
		switch strings.ToLower(strings.TrimSpace(coding)) {
		case "gzip", "x-gzip":
			return !refused
		case "*":
			wild = !refused
		}
	}
	return wild
}
