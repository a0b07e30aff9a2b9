// Package gateway is the role "gateway": the public listener. It finds the endpoint of a request in the one routing
// table, resolves the access token, stamps a request id, and forwards the request as it came to the role that serves it.
//
// A resolved token is cached. What is cached counts only while the horizon was heard within the last second, because
// revocations ride the stream: else the database is asked. What the cache does not know, it never refuses.
package gateway
