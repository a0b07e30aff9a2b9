// Package plan decides. Every function is pure: what was seen goes in, the clock included, and a decision comes out with
// the reason that becomes the reason of a condition. The controllers look, ask here, and carry out.
package plan
