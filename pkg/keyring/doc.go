// Package keyring holds the homeserver's own signing key, and signs and checks JSON objects (appendices, "Signing
// JSON").
//
// A [Key] prints as *** whatever it is printed with; [Key.FileFormat] alone gives the secret.
package keyring
