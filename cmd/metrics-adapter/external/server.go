package external

import (
	"context"
	"fmt"
	"net"

	openapinamer "k8s.io/apiserver/pkg/endpoints/openapi"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/apiserver/pkg/server/options"
	openapi "k8s.io/kube-openapi/pkg/common"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/apiserver"
	generatedcore "sigs.k8s.io/custom-metrics-apiserver/pkg/generated/openapi/core"
	generatedexternal "sigs.k8s.io/custom-metrics-apiserver/pkg/generated/openapi/externalmetrics"
)

// Options of the server.
type Options struct {
	// Listener is taken over.
	Listener net.Listener
	// Certificate is what is served with.
	Certificate dynamiccertificates.CertKeyContentProvider
	// Kubeconfig is the path of the file that leads to the API server, which is asked who somebody is and what they may;
	// empty: as pods find it.
	Kubeconfig string
	// Version of the program, for those who look at the API's description.
	Version string
}

// A Server of the API. Make it with [New].
type Server struct {
	prepared interface{ RunWithContext(context.Context) error }
}

// New makes a server. It reads from the API server how requests are to be authenticated, and fails if it cannot.
func New(lags Lags, o Options) (*Server, error) {
	fail := func(err error) (*Server, error) { return nil, fmt.Errorf("external metrics API: %w", err) }
	config := genericapiserver.NewConfig(apiserver.Codecs)
	config.EnableProfiling = false
	config.MaxRequestsInFlight, config.MaxMutatingRequestsInFlight = 100, 10

	serving := options.NewSecureServingOptions()
	serving.Listener = o.Listener
	serving.ServerCert = options.GeneratableKeyCert{GeneratedCert: o.Certificate}
	serving.MinTLSVersion = "VersionTLS12"
	if err := serving.WithLoopback().ApplyTo(&config.SecureServing, &config.LoopbackClientConfig); err != nil {
		return fail(err)
	}
	authentication := options.NewDelegatingAuthenticationOptions()
	authentication.RemoteKubeConfigFile = o.Kubeconfig
	if err := authentication.ApplyTo(&config.Authentication, config.SecureServing, nil); err != nil {
		return fail(err)
	}
	authorization := options.NewDelegatingAuthorizationOptions()
	authorization.RemoteKubeConfigFile = o.Kubeconfig
	if err := authorization.ApplyTo(&config.Authorization); err != nil {
		return fail(err)
	}
	namer := openapinamer.NewDefinitionNamer(apiserver.Scheme)
	config.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(definitions, namer)
	config.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(definitions, namer)
	config.OpenAPIConfig.Info.Title, config.OpenAPIV3Config.Info.Title = "Myelin's metrics adapter", "Myelin's metrics adapter"
	config.OpenAPIConfig.Info.Version, config.OpenAPIV3Config.Info.Version = o.Version, o.Version

	server, err := (&apiserver.Config{GenericConfig: config}).Complete(nil).New("myelin-metrics-adapter", nil, metrics{lags})
	if err != nil {
		return fail(err)
	}
	return &Server{server.GenericAPIServer.PrepareRun()}, nil
}

func definitions(ref openapi.ReferenceCallback) map[string]openapi.OpenAPIDefinition {
	all := generatedcore.GetOpenAPIDefinitions(ref)
	for name, d := range generatedexternal.GetOpenAPIDefinitions(ref) {
		all[name] = d
	}
	return all
}

// Run serves until ctx is done.
func (s *Server) Run(ctx context.Context) error {
	if err := s.prepared.RunWithContext(ctx); err != nil {
		return fmt.Errorf("external metrics API: %w", err)
	}
	return nil
}
