// Package api is the control API: JSON over HTTP for the CLI, for scripts and
// for the dashboard. It reads the Controller's View and hands its commands on;
// it holds no state of its own.
//
// # Threats
//
// Whoever reaches the control address can move traffic. Without tokens it is
// therefore bound to loopback, where two things remain: a browser on the same
// machine that a foreign page sends here, refused by its Sec-Fetch-Site and
// Origin fields, and a foreign name that was rebound to 127.0.0.1, refused by
// its Host. There are no CORS fields, bodies are bounded and never
// decompressed, and tokens are compared as hashes in constant time.
package api
