// Package processes runs worker processes on one machine, over a real Postgres and Redis. Its own tests kill them, tell
// them to stop and add some while clients write and listen; test/chaos breaks them and the network between them. What
// happens on Kubernetes besides is in test/e2e.
package processes
