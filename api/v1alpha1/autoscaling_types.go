package v1alpha1

// Autoscaling has a HorizontalPodAutoscaler, made by the operator, set a pool's replicas. With it, leave replicas out of what
// you apply: an apply that has it takes back what the autoscaler decided.
// +kubebuilder:validation:XValidation:rule="!has(self.minReplicas) || self.minReplicas <= self.maxReplicas",message="minReplicas must not be above maxReplicas"
// +kubebuilder:validation:XValidation:rule="has(self.lagTargetMilliseconds) || has(self.cpuTargetUtilization)",message="lagTargetMilliseconds or cpuTargetUtilization is required: without a target there is nothing to scale by"
type Autoscaling struct {
	// minReplicas is the least that the autoscaler sets.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=300
	MinReplicas *int32 `json:"minReplicas,omitempty"`

	// maxReplicas is the most that the autoscaler sets.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=300
	MaxReplicas int32 `json:"maxReplicas"`

	// lagTargetMilliseconds is how long the oldest work may wait, in the mean of the workers. It needs the metrics adapter, and
	// a pool with the role persister or sync. What it does when the lag is not known: nothing.
	// +optional
	// +kubebuilder:validation:Minimum=10
	// +kubebuilder:validation:Maximum=600000
	LagTargetMilliseconds *int32 `json:"lagTargetMilliseconds,omitempty"`

	// cpuTargetUtilization is how much processor time workers may use, in the mean, in percent of what they request. It needs
	// the metrics server, and resources.requests.cpu. With both targets the one that asks for more workers decides.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	CPUTargetUtilization *int32 `json:"cpuTargetUtilization,omitempty"`

	// behavior says how fast the pool grows and shrinks. Left out it grows as HorizontalPodAutoscalers do, and shrinks by one
	// worker a minute, by what was wanted over five minutes.
	// +optional
	Behavior *AutoscalingBehavior `json:"behavior,omitempty"`
}

// AutoscalingBehavior bounds the steps of an autoscaler, as spec.behavior of a HorizontalPodAutoscaler does.
type AutoscalingBehavior struct {
	// scaleUp is for growing.
	// +optional
	ScaleUp *ScalingRules `json:"scaleUp,omitempty"`
	// scaleDown is for shrinking.
	// +optional
	ScaleDown *ScalingRules `json:"scaleDown,omitempty"`
}

// ScalingRules are for one direction.
type ScalingRules struct {
	// stabilizationWindowSeconds is over how long what was wanted is looked at: the least change of that time is made. 0 for
	// growing, and 300 for shrinking, when left out.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=3600
	StabilizationWindowSeconds *int32 `json:"stabilizationWindowSeconds,omitempty"`
	// selectPolicy says which of several policies counts: the one of the greatest change, of the least, or that there is no change
	// in this direction. Max when left out.
	// +optional
	// +kubebuilder:validation:Enum=Max;Min;Disabled
	SelectPolicy string `json:"selectPolicy,omitempty"`
	// policies bound the change within a time.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	Policies []ScalingPolicy `json:"policies,omitempty"`
}

// ScalingPolicy bounds the change within a time.
type ScalingPolicy struct {
	// type of value: Pods, or Percent of those that there are.
	// +required
	// +kubebuilder:validation:Enum=Pods;Percent
	Type string `json:"type"`
	// value is how many pods, or what percentage of them, may come or go.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	Value int32 `json:"value"`
	// periodSeconds is within what time.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1800
	PeriodSeconds int32 `json:"periodSeconds"`
}
