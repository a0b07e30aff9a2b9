// Package admin is the workers' admin API: what it says, and a client. Any worker answers it, under /_myelin/admin/v1/
// on the internal port; the operator and kubectl-myelin use it. Requests are authenticated like all internal ones
// (package internalauth), on nobody's behalf.
//
//	GET  /_myelin/admin/v1/ping                 → Ping
//	GET  /_myelin/admin/v1/status               → Status
//	POST /_myelin/admin/v1/shards/{id}/move     MoveRequest → MoveResult, once the shard has moved
//	POST /_myelin/admin/v1/workers/{id}/drain   → 202: the worker has been told to leave
//	POST /_myelin/admin/v1/workers/{id}/cordon  CordonRequest → 204: it is given no shards any more, or is again
//	POST /_myelin/admin/v1/rebalance            → 202 Rebalance: the balancer looks at how shards are spread
//
// Errors are a status and {"error": "a sentence"}. The package links neither Postgres nor Kubernetes.
package admin
