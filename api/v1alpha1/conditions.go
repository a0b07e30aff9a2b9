package v1alpha1

// Conditions that every kind has. They follow kstatus: Ready says whether it works, Reconciling and Stalled, present with
// status True only, say whether the operator is still at it or has given up until something changes.
const (
	ConditionReady       = "Ready"
	ConditionReconciling = "Reconciling"
	ConditionStalled     = "Stalled"
	// ConditionPaused is there, with status True, while the operator changes nothing because of AnnotationPaused.
	ConditionPaused = "Paused"
)

// Conditions of a Homeserver.
const (
	// ConditionDatabaseReady: the database behind the secret is this homeserver's, and its schema is up to date.
	ConditionDatabaseReady = "DatabaseReady"
	// ConditionSecretsReady: the secrets that are named are there, with the keys that are named.
	ConditionSecretsReady = "SecretsReady"
	// ConditionWorkersReady: every role that a homeserver needs has a ready worker.
	ConditionWorkersReady = "WorkersReady"
	// ConditionRedisReachable: the worker that was asked last reaches Redis. Without it the homeserver goes on, slower.
	ConditionRedisReachable = "RedisReachable"
	// ConditionShardsClaimed: every shard is claimed by a live worker.
	ConditionShardsClaimed = "ShardsClaimed"
	// ConditionIngressMade is there while an Ingress is asked for: it is as the spec wants it. Nothing else depends on it.
	ConditionIngressMade = "IngressMade"
	// ConditionRouteAccepted is there while a route is asked for: its Gateways accept the HTTPRoutes that are made for it.
	// Nothing else depends on it.
	ConditionRouteAccepted = "RouteAccepted"
)

// Conditions of a WorkerPool.
const (
	// ConditionAutoscaling is there while autoscaling is asked for: the autoscaler can tell how many workers there should be.
	// Nothing else depends on it.
	ConditionAutoscaling = "Autoscaling"
)

// Reasons of conditions. The list is fixed: scripts and alerts may match on them. A message says what to do, in a sentence.
const (
	// Database: the first eight are also written by `worker migrate`.
	ReasonMigrated                     = "Migrated"
	ReasonDatabaseUnreachable          = "DatabaseUnreachable"
	ReasonDatabaseAuthenticationFailed = "DatabaseAuthenticationFailed"
	ReasonDatabaseIdentityChanged      = "DatabaseIdentityChanged"
	ReasonDatabaseClaimed              = "DatabaseClaimed"
	// ReasonDowngradeRefused: the image is older than what the database is used by.
	ReasonDowngradeRefused = "DowngradeRefused"
	// ReasonUpgradeRefused: the image is too many versions ahead of the workers that run.
	ReasonUpgradeRefused   = "UpgradeRefused"
	ReasonMigrationFailed  = "MigrationFailed"
	ReasonMigrationRunning = "MigrationRunning"

	// Secrets.
	ReasonSecretsFound     = "SecretsFound"
	ReasonSecretMissing    = "SecretMissing"
	ReasonSecretKeyMissing = "SecretKeyMissing"
	// ReasonSecretForbidden: the operator's role does not let it read a Secret that is named.
	ReasonSecretForbidden = "SecretForbidden"

	// Redis.
	ReasonRedisReachable            = "RedisReachable"
	ReasonRedisUnreachable          = "RedisUnreachable"
	ReasonRedisAuthenticationFailed = "RedisAuthenticationFailed"

	// Workers and shards.
	ReasonWorkersReady    = "WorkersReady"
	ReasonWorkersNotReady = "WorkersNotReady"
	ReasonRoleMissing     = "RoleMissing"
	ReasonShardsClaimed   = "ShardsClaimed"
	ReasonShardsUnclaimed = "ShardsUnclaimed"
	ReasonClaimed         = "Claimed"
	ReasonUnclaimed       = "Unclaimed"
	ReasonUnowned         = "Unowned"
	ReasonStatusUnknown   = "StatusUnknown"

	// Pools.
	ReasonAllReplicasReady   = "AllReplicasReady"
	ReasonScaledToZero       = "ScaledToZero"
	ReasonReplicasNotReady   = "ReplicasNotReady"
	ReasonRollingOut         = "RollingOut"
	ReasonRolloutStuck       = "RolloutStuck"
	ReasonDeploymentRefused  = "DeploymentRefused"
	ReasonHomeserverMissing  = "HomeserverMissing"
	ReasonWaitingForDatabase = "WaitingForDatabase"
	ReasonWaitingForPool     = "WaitingForPool"

	// Autoscaling.
	ReasonAutoscalingActive = "AutoscalingActive"
	// ReasonAutoscalingLimited: more workers are wanted than maxReplicas allows.
	ReasonAutoscalingLimited = "AutoscalingLimited"
	// ReasonLagUnknown: the workers' lag is not known, so the pool stays as it is, or grows by its CPU alone.
	ReasonLagUnknown = "LagUnknown"
	// ReasonMetricsUnavailable: the autoscaler gets no metrics, so the pool stays as it is.
	ReasonMetricsUnavailable = "MetricsUnavailable"
	// ReasonAutoscalerUnanswered: no controller has looked at the HorizontalPodAutoscaler yet.
	ReasonAutoscalerUnanswered = "AutoscalerUnanswered"
	// ReasonAutoscalerFailed: the autoscaler cannot read or set the pool's replicas.
	ReasonAutoscalerFailed = "AutoscalerFailed"
	// ReasonAutoscalerRefused: the API server does not take the HorizontalPodAutoscaler.
	ReasonAutoscalerRefused = "AutoscalerRefused"

	// The way in from outside.
	ReasonIngressMade    = "IngressMade"
	ReasonIngressRefused = "IngressRefused"
	ReasonRouteAccepted  = "RouteAccepted"
	// ReasonRouteRefused: the API server does not take the HTTPRoute.
	ReasonRouteRefused = "RouteRefused"
	// ReasonRouteNotAccepted: a Gateway does not take the HTTPRoute.
	ReasonRouteNotAccepted = "RouteNotAccepted"
	// ReasonRouteUnanswered: no Gateway has said anything about the HTTPRoute yet.
	ReasonRouteUnanswered = "RouteUnanswered"
	// ReasonGatewayAPIMissing: the cluster has no HTTPRoutes.
	ReasonGatewayAPIMissing = "GatewayAPIMissing"

	// All.
	ReasonReady     = "Ready"
	ReasonNameTaken = "NameTaken"
	// ReasonObjectRefused: the API server, or a quota or webhook, does not take what a Homeserver needs.
	ReasonObjectRefused = "ObjectRefused"
	ReasonPaused        = "Paused"
)

// Reasons of Kubernetes Events. Events about the database have the reasons of the condition DatabaseReady besides.
const (
	// EventHandedOff: a worker gave shards to others, as planned.
	EventHandedOff = "HandedOff"
	// EventTakenOver: shards got new owners after theirs had ended.
	EventTakenOver = "TakenOver"
	// EventAdopted: shards that nobody owned have an owner.
	EventAdopted = "Adopted"
	// EventUnowned: shards have lost their owner, and have no other yet.
	EventUnowned = "Unowned"
	// EventDraining: a worker gives its shards away and takes none.
	EventDraining = "Draining"
	// EventDrained: a worker that was draining owns nothing any more.
	EventDrained = "Drained"
)
