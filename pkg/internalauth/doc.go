// Package internalauth authenticates what workers say to each other: the header X-Myelin-Auth of every request on the
// internal port carries the identity of the user on whose behalf it is made, and an HMAC-SHA256 by the credential that
// all workers of a homeserver share.
//
// The HMAC covers the version of the format, the method, path and query, the hash of the body, the identity and the
// time; a header is good for five minutes either way and for that very request only. While the credential is replaced
// there are several HMACs, see [Credentials]. A role handler reads the identity with [IdentityFrom] and nowhere else.
//
// Clocks may be wrong, or be set, by any amount. Who refuses a request for its time alone tells its own, under the
// credential and for that request only, and [Signer.Transport] sends the request again by that time.
package internalauth
