// Package keyring holds signing keys: this server's own, and those of others (server-server API, "Retrieving server
// keys"; room version 5, "Signing key validity period").
//
// A [Key] signs, and prints as *** whatever it is printed with; [Key.FileFormat] alone gives the secret.
//
// Own keys. The key file may hold several. [Announce] records their public halves in Postgres when a worker starts, and
// chooses the one that the worker signs with until it ends: the newest that all live workers, and all that ended within
// [Lead], publish, so that whoever cached an older answer has had to ask again. A key that
// was used must stay in the file until [Retire] has made it an old key, which no live worker may sign with any more;
// old keys are published for ever. [Own.ServerKeys] is what is published.
//
// Other servers' keys. A [Verifier] finds them in memory, in Postgres, at the server, and then at trusted notaries, and
// knows when they were valid. What a server says of itself over TLS replaces what was known. What a notary says only adds
// keys, or prolongs one that signed the answer itself: it changes, expires or revives none.
package keyring
