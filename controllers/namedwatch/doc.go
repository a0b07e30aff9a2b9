// Package namedwatch watches single objects of one kind, each by its name.
//
// For Secrets it is a matter of rights: RBAC can limit a role to named objects only for requests that name one; an ordinary
// watch, of all Secrets, would need a role that may read all of them. So a role for this package needs the verbs get and watch
// for the Secrets that a Homeserver names, and nothing for any other. For the Gateway API's HTTPRoutes it is that most clusters
// have no such kind: a cache of it would keep the operator from starting there, and here is no watch unless a Homeserver asks.
//
// A watch is one request that stays open until the API server ends it, which it does after half an hour or more.
package namedwatch
