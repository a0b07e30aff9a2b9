// Package certificate makes and renews the certificate with which the metrics adapter serves, and tells the API server,
// through the APIService's caBundle, which ones to trust. All replicas serve the same one, which they keep in a Secret.
//
// A certificate is signed by itself and by nobody else, so there is no authority whose key could be stolen to make others.
// The Secret holds, in this order of a certificate's life:
//
//	next.crt, next.key  made when a third of the life of the one in use is left, announced, and not served yet
//	tls.crt, tls.key    in use
//	ca.crt              all that are not expired: what the caBundle is to be
//
// The next one comes into use once it has been in the caBundle and ten minutes have passed, so at no time is one served that
// the API server does not trust. A former one stays trusted until it expires, for replicas that have not read the Secret since.
//
// Every replica does all of this by itself, and any number at once: the Secret and the caBundle are only written over the
// version that was read, and the caBundle is read before the Secret that it is made from.
package certificate
