// Package lagmetrics answers what the lag of a pool is: the one question of the metrics adapter, whoever asks it (the
// external metrics API of Kubernetes, KEDA). It finds the pool in a cache, has the homeserver's workers tell their readings
// through the admin API, and has pkg/lag say what follows for an autoscaler.
//
// An answer is shared by questions that come within a second of when the workers were asked, and says when that was. No
// older one is ever given: what is not known is a lag.ErrUnknown with its reason, never a number.
package lagmetrics
