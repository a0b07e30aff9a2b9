package homeserver

import (
	"context"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/desired"
	"github.com/myelin-hs/myelin/controllers/plan"
)

// decision is what a pass has decided.
type decision struct {
	secrets, workers plan.Verdict
	migration        plan.MigrationDecision
	contract         plan.ContractDecision
	ingress, route   *plan.Verdict // nil: none is asked for, or nothing is known of it
}

// blind says whether something may heal that no watch tells of.
func (d decision) blind() bool {
	return d.secrets.Reason == v1alpha1.ReasonSecretForbidden || d.ingress != nil && !d.ingress.Is() ||
		d.route != nil && d.route.Status == metav1.ConditionFalse && d.route.Reason != v1alpha1.ReasonRouteNotAccepted
}

func (c *Controller) decide(hs *v1alpha1.Homeserver, s *seen) decision {
	d := decision{secrets: plan.Secrets(s.keys), workers: plan.Workers(s.pools)}
	if !d.secrets.Is() {
		// Without the secrets nothing is known about the database, and nothing is tried.
		d.migration.Ready = d.secrets
		return d
	}
	d.migration = plan.Migration(plan.MigrationSeen{
		Inputs: s.inputs, Image: hs.Spec.Image, Recorded: hs.Status.Database, Newest: s.newest[desired.Expand], Now: c.now(),
	})
	d.contract = plan.Contract(plan.ContractSeen{
		Image: hs.Spec.Image, Recorded: hs.Status.Database, Verified: d.migration.Ready.Is() && d.migration.Record == nil,
		RolledOut: s.rolledOut, Newest: s.newest[desired.Contract], Now: c.now(),
	})
	d.migration.Ready = d.contract.With(d.migration.Ready)
	return d
}

func paused(hs *v1alpha1.Homeserver) *plan.Verdict {
	if !v1alpha1.Paused(hs) {
		return nil
	}
	v := plan.Paused("Homeserver " + hs.Name)
	return &v
}

// writeStatus builds the status anew from what was seen and decided, and writes it if it differs.
func (c *Controller) writeStatus(ctx context.Context, hs *v1alpha1.Homeserver, s *seen, d decision) error {
	before := hs.DeepCopy()
	status := &hs.Status
	status.ObservedGeneration = hs.Generation
	status.URL = desired.ClientURL(hs.Namespace, hs.Name)
	status.Workers = plan.CountWorkers(s.pools)
	if s.podInputs != "" {
		status.PodInputs = s.podInputs
	}
	if d.migration.Record != nil {
		status.Database = d.migration.Record
	}
	if d.contract.Done {
		status.Database = status.Database.DeepCopy()
		status.Database.ContractedImage = hs.Spec.Image
	}
	var shards plan.Verdict
	shards, status.Shards = plan.Shards(hs.Spec.Shards, s.shards)
	ready, reconciling, stalled := plan.Homeserver(plan.HomeserverSeen{
		Secrets: d.secrets, Database: d.migration.Ready, Workers: d.workers, Shards: shards,
		Recorded: before.Status.Database != nil,
		AllReady: status.Workers.Ready >= status.Workers.Desired,
		URL:      status.URL,
	})
	plan.SetProgress(&status.Conditions, ready, reconciling, stalled, hs.Generation)
	plan.SetPaused(&status.Conditions, paused(hs), hs.Generation)
	plan.Set(&status.Conditions, v1alpha1.ConditionSecretsReady, d.secrets, hs.Generation)
	plan.Set(&status.Conditions, v1alpha1.ConditionDatabaseReady, d.migration.Ready, hs.Generation)
	plan.Set(&status.Conditions, v1alpha1.ConditionWorkersReady, d.workers, hs.Generation)
	plan.Set(&status.Conditions, v1alpha1.ConditionShardsClaimed, shards, hs.Generation)
	plan.SetOptional(&status.Conditions, v1alpha1.ConditionIngressMade, hs.Spec.Ingress != nil, d.ingress, hs.Generation)
	plan.SetOptional(&status.Conditions, v1alpha1.ConditionRouteAccepted, hs.Spec.Route != nil, d.route, hs.Generation)
	if equality.Semantic.DeepEqual(before.Status, hs.Status) {
		return nil
	}
	if err := c.apply.Status(ctx, before, hs); err != nil {
		return err
	}
	database := func(o *v1alpha1.Homeserver) *metav1.Condition {
		return meta.FindStatusCondition(o.Status.Conditions, v1alpha1.ConditionDatabaseReady)
	}
	if n := plan.MigrationNotice(database(before), database(hs)); n != nil {
		c.events.Record(hs, *n)
	}
	return nil
}
