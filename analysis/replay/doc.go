// Package replay judges recorded counts: it reads the form that a node writes
// of a rollout, feeds the same Judge that decided it, and says what the verdict
// would have been and when. A changed policy can so be tried on yesterday's
// incident.
//
// The form is CSV. The first line is "# weir counts 1"; the next that is no
// comment names the columns; then comes one row a tick and version:
//
//	# weir counts 1
//	t,version,requests,errors,over_200ms
//	1,blue,181,0,0
//	1,green,19,0,0
//
// t is the end of the tick in seconds since the trial began, and never falls. The
// counts are those of the requests that were dispatched in the tick. A version
// without a row had none. over_<limit> are the requests slower than that limit,
// hung ones included. Optional columns are node; client_errors, the 4xx that are no
// errors; over_q<percent>, such as over_q99, for limits relative to stable's
// latency: stable's requests slower than its own quantile of the time before, the
// candidate's slower than the allowed multiple of it; and beside each column of bad
// requests one with _unique, which counts a client's bucket once.
//
// Optional comments tell what no count does. They may stand anywhere after the
// first line, but not after rows of a later time:
//
//	# baseline <rate>             stable's rate of errors before the trial
//	# stage <n> <t>               stage n, from 0, began
//	# health <version> failing <t>
//	# health <version> passing <t>
//	# nodes <n>                   these are the counts of one of n nodes, judged as its fuse
//	# candidates <n>              so many candidates shared the promise
//
// All other comments are for people. A file without a stage before its first row
// is judged by every check from the start.
package replay
