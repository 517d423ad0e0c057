// Package dashboard is what people see of weir in a browser. Every page is
// rendered here, whole, by html/template; in the browser a few small modules ask
// for the same page again when something happened, and once a second, and change
// what differs. So there is one renderer, the first paint needs no script, and
// no script builds HTML.
//
// A page is a file of its own with a template of the same name, and a line in
// pages.
//
// # Threats
//
// Names, reasons and links come from documents and from people. They are escaped
// where they are put in, links but http and https are shown as text, and the
// Content-Security-Policy lets nothing run, load or connect but what this address
// serves: no inline script or style, no eval, no frames. Who may do what is the
// API's to say (package api); a button that is not shown is a kindness, not a
// lock.
package dashboard
