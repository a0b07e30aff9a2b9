// Package processes tests a homeserver of several worker processes on one machine, over a real Postgres and Redis:
// workers are killed, told to stop and added while clients write and listen. What happens on Kubernetes besides is in
// test/e2e.
package processes
