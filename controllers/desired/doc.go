// Package desired builds the Kubernetes objects that a Homeserver and its WorkerPools need: small spec in, object out. The
// builders are pure: they see no client, no clock and no status, and give the same object for the same spec, byte for
// byte. No object of one pool depends on another pool, so scaling one never rolls another.
package desired
