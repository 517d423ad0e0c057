// Package api is the control API: JSON over HTTP for the CLI, for scripts and
// for the dashboard. It reads the Controller's View and hands its commands on;
// it holds no state of its own but who is logged in.
//
// # Threats
//
// Whoever reaches the control address can move traffic. Without tokens it is
// therefore bound to loopback, where two things remain: a browser on the same
// machine that a foreign page sends here, refused by its Sec-Fetch-Site and
// Origin fields, and a foreign name that was rebound to 127.0.0.1, refused by
// its Host. There are no CORS fields, bodies are bounded and never
// decompressed, and tokens are compared as hashes in constant time.
//
// With tokens, a browser shows its own once and has a session from then on,
// whose cookie it sends along with whatever page makes it ask. The cookie is
// therefore SameSite=Strict, and taken only from pages of this very address;
// scripts cannot read it. It is random and says nothing of the token, it ends
// after 12 hours, with the token, and with a logout, and a stream of events that
// was opened by it ends soon after.
package api
