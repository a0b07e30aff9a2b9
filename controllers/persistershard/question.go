package persistershard

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/dataplane"
	"github.com/myelin-hs/myelin/controllers/plan"
	"github.com/myelin-hs/myelin/pkg/admin"
)

// linkTo is what is remembered of a homeserver. It is the caller's: one Homeserver is never reconciled twice at a time.
func (c *Controller) linkTo(hs *v1alpha1.Homeserver) *link {
	name := client.ObjectKeyFromObject(hs)
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.links[name]
	if l == nil {
		l = &link{}
		c.links[name] = l
	}
	return l
}

// question asks a homeserver's workers, and counts failures in a row. The credential is read again after a failure, for it
// may have been changed. Who drains is remembered from answer to answer, and told as Events.
func (c *Controller) question(ctx context.Context, hs *v1alpha1.Homeserver, l *link) (told admin.Status, failures int, err error) {
	name := client.ObjectKeyFromObject(hs)
	if l.credential == "" {
		l.credential, err = dataplane.Credential(ctx, c.reader, hs)
	}
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, dataplane.Timeout)
		defer cancel()
		told, err = c.ask(ctx, name, l.credential)
	}
	if err != nil {
		l.credential = ""
		l.failures++
		return admin.Status{}, l.failures, err
	}
	l.failures = 0
	before := l.workers
	l.workers = plan.MembersOf(told, before)
	c.events.Record(hs, l.workers.Drains(before)...)
	return told, 0, nil
}

func (c *Controller) forget(hs types.NamespacedName) {
	c.mu.Lock()
	delete(c.links, hs)
	c.mu.Unlock()
}
