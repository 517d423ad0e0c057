package dashboard

import (
	"compress/gzip"
	"net/http"
	"strings"
	"sync"
)

// zipper compresses pages, which an open one asks for once a second: to a fifth
// to a tenth of their size. No page holds a secret that its size could betray.
// The zero value is ready for use, and safe for concurrent use.
type zipper struct{ idle sync.Pool }

// answer writes a body, compressed for who takes that. A nil r does not.
func (z *zipper) answer(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	w.Header().Add("Vary", "Accept-Encoding")
	if r == nil || !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.WriteHeader(status)
		_, _ = w.Write(body) // the client went away if this fails
		return
	}
	w.Header().Set("Content-Encoding", "gzip")
	w.WriteHeader(status)
	to, ok := z.idle.Get().(*gzip.Writer)
	if !ok {
		to, _ = gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is a known one
	}
	defer z.idle.Put(to)
	to.Reset(w)
	_, _ = to.Write(body) // as above
	_ = to.Close()
}
