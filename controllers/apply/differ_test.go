package apply

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
)

func wanted() *corev1ac.ServiceApplyConfiguration {
	return corev1ac.Service("demo", "ns").
		WithLabels(map[string]string{"a": "b"}).
		WithOwnerReferences(metav1ac.OwnerReference().WithName("demo").WithUID("1").WithController(true)).
		WithSpec(corev1ac.ServiceSpec().
			WithSelector(map[string]string{"app": "demo"}).
			WithPublishNotReadyAddresses(false).
			WithPorts(corev1ac.ServicePort().WithName("http").WithPort(80).WithTargetPort(intstr.FromString("public"))))
}

func live() *corev1.Service {
	yes := true
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "ns", Name: "demo", ResourceVersion: "5", Labels: map[string]string{"a": "b", "other": "x"},
			OwnerReferences: []metav1.OwnerReference{{Name: "somebody", UID: "2"}, {Name: "demo", UID: "1", Controller: &yes}},
		},
		Spec: corev1.ServiceSpec{
			ClusterIP: "10.0.0.1", Selector: map[string]string{"app": "demo"},
			Ports: []corev1.ServicePort{{Name: "http", Port: 80, Protocol: corev1.ProtocolTCP, TargetPort: intstr.FromString("public")}},
		},
	}
}

func TestWhatSomebodyElseChangedIsSeen(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*corev1.Service)
		holds  bool
	}{
		"nothing":                {func(*corev1.Service) {}, true},
		"a label of theirs":      {func(s *corev1.Service) { s.Labels["more"] = "y" }, true},
		"a field of theirs":      {func(s *corev1.Service) { s.Spec.SessionAffinity = "ClientIP" }, true},
		"an owner of theirs":     {func(s *corev1.Service) { s.OwnerReferences = s.OwnerReferences[1:] }, true},
		"our label":              {func(s *corev1.Service) { s.Labels["a"] = "c" }, false},
		"our label gone":         {func(s *corev1.Service) { delete(s.Labels, "a") }, false},
		"our owner gone":         {func(s *corev1.Service) { s.OwnerReferences = s.OwnerReferences[:1] }, false},
		"our port":               {func(s *corev1.Service) { s.Spec.Ports[0].Port = 81 }, false},
		"one port more":          {func(s *corev1.Service) { s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{Port: 9}) }, false},
		"no ports":               {func(s *corev1.Service) { s.Spec.Ports = nil }, false},
		"what we want to be off": {func(s *corev1.Service) { s.Spec.PublishNotReadyAddresses = true }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			marked, hash, err := withMark(wanted())
			require.NoError(t, err)
			s := live()
			s.Annotations = map[string]string{mark: hash}
			test.change(s)
			require.Equal(t, test.holds, holds(s, marked))
		})
	}
}

func TestMarkTellsWhatIsNoLongerDesired(t *testing.T) {
	t.Parallel()
	_, before, err := withMark(wanted())
	require.NoError(t, err)
	_, same, err := withMark(wanted())
	require.NoError(t, err)
	require.Equal(t, before, same)
	less := wanted()
	less.Spec.PublishNotReadyAddresses = nil
	_, after, err := withMark(less)
	require.NoError(t, err)
	require.NotEqual(t, before, after)
}
