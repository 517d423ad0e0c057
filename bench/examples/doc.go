// Package examples proves that what lies under configs/ for operators works as it
// stands there: examples are started, with other ports and folders, and asked;
// the scripts for pipelines release against a real weir. `make e2e-examples` runs
// it; without the build tag e2e there is nothing in it.
package examples
