// Package plugin is kubectl myelin. It talks to the admin API of a running worker, through a port that the API server
// forwards to its pod, with the internal credential that the user may read: it can do what the user's kubeconfig may, and
// works while the operator is down.
//
// Exit codes: 0 done; 1 failed; 2 the command line makes no sense; 3 no worker could be reached; 4 the workers refused.
package plugin
