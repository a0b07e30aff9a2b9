package desired

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// Ports of a worker's container, by the names that Services and probes use.
const (
	publicPort   = 8008
	internalPort = 8090
	probePort    = 8091
)

// InternalService is the name of the Service in front of all ready workers' internal ports.
func InternalService(homeserver string) string { return homeserver + "-internal" }

// InternalURL is where the operator reaches the admin API.
func InternalURL(namespace, homeserver string) string {
	return fmt.Sprintf("http://%s.%s.svc:%d", InternalService(homeserver), namespace, internalPort)
}

// ClientURL is where clients inside the cluster reach the homeserver.
func ClientURL(namespace, homeserver string) string {
	return fmt.Sprintf("http://%s.%s.svc", homeserver, namespace)
}

// ServiceNames are the names of a homeserver's Services.
func ServiceNames(homeserver string) []string {
	return []string{homeserver, homeserver + "-federation", InternalService(homeserver)}
}

// Services are the client entry, the federation entry and the internal port of all workers.
func Services(h Homeserver, o Owner) []*corev1ac.ServiceApplyConfiguration {
	gateways := merge(WorkerPods(h.Name), labels.Set{v1alpha1.LabelRolePrefix + string(v1alpha1.RoleGateway): "true"})
	return []*corev1ac.ServiceApplyConfiguration{
		service(h, o, h.Name, gateways, "http", 80, "public"),
		service(h, o, h.Name+"-federation", gateways, "federation", 8448, "public"),
		service(h, o, InternalService(h.Name), WorkerPods(h.Name), "internal", internalPort, "internal"),
	}
}

func service(h Homeserver, o Owner, name string, pods labels.Set, port string, number int32, target string) *corev1ac.ServiceApplyConfiguration {
	return corev1ac.Service(name, h.Namespace).
		WithLabels(managed(h.Name)).
		WithOwnerReferences(o.reference()).
		WithSpec(corev1ac.ServiceSpec().
			WithType(corev1.ServiceTypeClusterIP).
			WithSelector(pods).
			WithPorts(corev1ac.ServicePort().
				WithName(port).WithPort(number).WithProtocol(corev1.ProtocolTCP).
				WithTargetPort(intstr.FromString(target))))
}
