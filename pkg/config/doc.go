// Package config is the configuration of a worker: one struct, with its defaults in one place.
//
// Every setting is a flag, and an environment variable MYELIN_ with the flag's name in upper snake case; the flag wins.
// An unknown flag or MYELIN_ variable is an error. Secrets come from files (or, for the database and Redis, from a URI
// given directly) into a [Secret], which prints as ***.
package config
