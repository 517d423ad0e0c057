package dashboard

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed assets templates
var files embed.FS

// assets are the files that pages load, below a path that changes with them, so
// that browsers may keep them for ever.
type assets struct {
	path string // ends with a slash
	file map[string][]byte
}

// loadAssets reads what is embedded.
func loadAssets() assets {
	a := assets{file: make(map[string][]byte)}
	sum := sha256.New()
	entries, err := fs.ReadDir(files, "assets")
	if err != nil {
		panic(fmt.Sprintf("BUG: no assets are embedded: %v", err))
	}
	for _, e := range entries {
		data, err := files.ReadFile("assets/" + e.Name())
		if err != nil {
			panic(fmt.Sprintf("BUG: asset %q is not embedded: %v", e.Name(), err))
		}
		a.file[e.Name()] = data
		fmt.Fprintf(sum, "%s %d\n%s", e.Name(), len(data), data)
	}
	a.path = fmt.Sprintf("/assets/%x/", sum.Sum(nil)[:6])
	return a
}

// serve answers for one file to everybody: there is nothing of anybody in it.
func (a *assets) serve(w http.ResponseWriter, r *http.Request) {
	data, ok := a.file[r.PathValue("file")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	// A picture of one's own has no page around it, and so no policy.
	h.Set("Content-Security-Policy", "default-src 'none'")
	h.Set("Content-Type", map[string]string{
		".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
	}[path.Ext(r.PathValue("file"))])
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

// templates are the pages by name, each with the layout around it.
type templates map[string]*template.Template

func parseTemplates() templates {
	base := template.Must(template.New("").Funcs(functions()).ParseFS(files, "templates/layout.html", "templates/part_*.html"))
	out := make(templates)
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		panic(fmt.Sprintf("BUG: %v", err))
	}
	for _, name := range names {
		short := strings.TrimSuffix(path.Base(name), ".html")
		if short == "layout" || strings.HasPrefix(short, "part_") {
			continue
		}
		out[short] = template.Must(template.Must(base.Clone()).ParseFS(files, name))
	}
	return out
}
