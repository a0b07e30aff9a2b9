// Package service runs the parts of a process: starts them in the order of their dependencies, stops them in the reverse
// order, and ends the process when one of them fails.
//
// A part is a function Run(ctx) error that blocks until its context is cancelled and then returns nil. On the first
// signal, or the first failure, the Group calls its BeforeStop hooks, while everything still runs: that is where a
// worker reports that it is no longer ready, gives away what it owns and waits until the others have noticed. Then each
// part is cancelled once all those that need it have returned.
package service
