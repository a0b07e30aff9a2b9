package plan

import (
	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/pkg/admin"
)

// Redis judges what a worker told of Redis: one of the Redis constants of package admin. Nothing that differs from one
// question to the next is in the message.
func Redis(told string) Verdict {
	const meanwhile = " Meanwhile workers read Postgres, and clients wait a little longer."
	switch told {
	case admin.RedisReachable:
		return yes(v1alpha1.ReasonRedisReachable, "The workers reach Redis.")
	case admin.RedisRefused:
		return no(v1alpha1.ReasonRedisAuthenticationFailed, "Redis does not take the workers' login, or does not let it publish: "+
			"mend the user and password in the Secret that spec.redis names, or the user's rights."+meanwhile)
	case admin.RedisUnreachable:
		return no(v1alpha1.ReasonRedisUnreachable, "The workers do not reach Redis: mend the hosts or certificates that spec.redis names, or Redis; "+
			"the workers' logs say what fails."+meanwhile)
	default:
		return unknown(v1alpha1.ReasonStatusUnknown, "No worker has told yet whether it reaches Redis: wait, or look at the WorkerPools.")
	}
}
