// Package app is the table of roles: what each needs, and how a worker with some of them is put together. It is the
// only importer of the role packages, and binds what one role needs of another.
package app
