package v1alpha1

import "k8s.io/apimachinery/pkg/api/resource"

// MigrationJob says where the Job that migrates the database may run, and what it may use.
type MigrationJob struct {
	// resources of the Job's pod.
	// +optional
	// +kubebuilder:default={requests: {cpu: "50m", memory: "32Mi"}, limits: {memory: "256Mi"}}
	Resources Resources `json:"resources,omitempty"`
	// nodeSelector restricts the nodes that the Job runs on.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	NodeSelector map[string]LabelValue `json:"nodeSelector,omitempty"`
	// tolerations let the Job run on nodes with these taints.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Tolerations []Toleration `json:"tolerations,omitempty"`
}

// Resources are what a worker reserves and may use.
// +kubebuilder:validation:XValidation:rule="!has(self.requests) || !has(self.limits) || !has(self.requests.memory) || !has(self.limits.memory) || quantity(string(self.requests.memory)).compareTo(quantity(string(self.limits.memory))) <= 0",message="resources.requests.memory must not be greater than resources.limits.memory"
// +kubebuilder:validation:XValidation:rule="!has(self.requests) || !has(self.limits) || !has(self.requests.cpu) || !has(self.limits.cpu) || quantity(string(self.requests.cpu)).compareTo(quantity(string(self.limits.cpu))) <= 0",message="resources.requests.cpu must not be greater than resources.limits.cpu"
type Resources struct {
	// requests is what a node must have free.
	// +optional
	Requests ResourceAmounts `json:"requests,omitempty"`
	// limits is what a worker may use. The Go runtime is told to stay a tenth below the memory limit.
	// +optional
	Limits ResourceAmounts `json:"limits,omitempty"`
}

// ResourceAmounts are amounts of processor time and memory.
// +kubebuilder:validation:XValidation:rule="!has(self.memory) || quantity(string(self.memory)).compareTo(quantity('16Mi')) >= 0",message="resources memory must be at least 16Mi"
// +kubebuilder:validation:XValidation:rule="!has(self.cpu) || quantity(string(self.cpu)).compareTo(quantity('0')) >= 0",message="resources cpu must not be negative"
type ResourceAmounts struct {
	// cpu in cores, as in 500m or 2.
	// +optional
	CPU *resource.Quantity `json:"cpu,omitempty"`
	// memory in bytes, as in 512Mi.
	// +optional
	Memory *resource.Quantity `json:"memory,omitempty"`
}

// LabelValue is the value of a node's label.
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:XValidation:rule="self.matches('^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$')",message="must be a label's value: letters, digits, -, _ and ., with a letter or a digit at both ends"
type LabelValue string

// TaintEffect is what a taint does to pods that do not tolerate it.
// +kubebuilder:validation:Enum=NoSchedule;PreferNoSchedule;NoExecute
type TaintEffect string

// Toleration lets a pod run on nodes with a taint. The fields mean what they mean in a pod.
// +kubebuilder:validation:XValidation:rule="self.operator != 'Exists' || !has(self.value)",message="value must be left out when operator is Exists"
// +kubebuilder:validation:XValidation:rule="has(self.key) || self.operator == 'Exists'",message="operator must be Exists when key is left out"
// +kubebuilder:validation:XValidation:rule="!has(self.tolerationSeconds) || has(self.effect) && self.effect == 'NoExecute'",message="tolerationSeconds is only used when effect is NoExecute: set the effect or remove it"
type Toleration struct {
	// key of the taint. All taints when left out.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=316
	// +kubebuilder:validation:XValidation:rule="self.matches('^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$')",message="key must be a taint's: letters, digits, -, _ and ., after a DNS name and a slash or not"
	Key string `json:"key,omitempty"`
	// operator is Equal, which compares the taint's value, or Exists, which takes any.
	// +optional
	// +kubebuilder:default=Equal
	// +kubebuilder:validation:Enum=Equal;Exists
	Operator string `json:"operator,omitempty"`
	// value of the taint, for Equal.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$')",message="value must be a taint's: letters, digits, -, _ and ., with a letter or a digit at both ends"
	Value string `json:"value,omitempty"`
	// effect of the taint. All effects when left out.
	// +optional
	Effect TaintEffect `json:"effect,omitempty"`
	// tolerationSeconds is how long a NoExecute taint is tolerated, in seconds. For ever when left out.
	// +optional
	// +kubebuilder:validation:Minimum=0
	TolerationSeconds *int64 `json:"tolerationSeconds,omitempty"`
}

// TopologySpread spreads a pool's workers over the values of a node's label.
type TopologySpread struct {
	// topologyKey is the label of nodes whose values the workers are spread over, as in topology.kubernetes.io/zone.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=316
	// +kubebuilder:validation:XValidation:rule="self.matches('^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$')",message="topologyKey must be a label's key: letters, digits, -, _ and ., after a DNS name and a slash or not"
	TopologyKey string `json:"topologyKey"`
	// maxSkew is how many more workers one value may have than another.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=300
	MaxSkew int32 `json:"maxSkew,omitempty"`
	// whenUnsatisfiable is ScheduleAnyway, which only prefers to spread, or DoNotSchedule, which leaves a worker pending.
	// +optional
	// +kubebuilder:default=ScheduleAnyway
	// +kubebuilder:validation:Enum=ScheduleAnyway;DoNotSchedule
	WhenUnsatisfiable string `json:"whenUnsatisfiable,omitempty"`
}
