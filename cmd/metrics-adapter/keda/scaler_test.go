package keda_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"sigs.k8s.io/yaml"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/cmd/metrics-adapter/keda"
	"github.com/myelin-hs/myelin/cmd/metrics-adapter/keda/externalscaler"
	"github.com/myelin-hs/myelin/controllers/lagmetrics"
	"github.com/myelin-hs/myelin/pkg/lag"
)

// pools has one, whose lag may be known.
type pools struct {
	mu    sync.Mutex
	total time.Duration
	err   error
	asked lagmetrics.Question
}

func (p *pools) Find(_ context.Context, q lagmetrics.Question) error {
	if q.Namespace != "a" || q.Homeserver != "demo" || q.Pool != "persisters" {
		return lagmetrics.ErrMissing
	}
	return nil
}

func (p *pools) Lag(ctx context.Context, q lagmetrics.Question) (lagmetrics.Answer, error) {
	if err := p.Find(ctx, q); err != nil {
		return lagmetrics.Answer{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = q
	if p.err != nil {
		return lagmetrics.Answer{}, p.err
	}
	return lagmetrics.Answer{Total: p.total, Target: q.Target, At: time.Now()}, nil
}

func (p *pools) set(total time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total, p.err = total, err
}

// serve answers for the pools until the test ends, or stop is called.
func serve(t *testing.T, p *pools, config *tls.Config) (address string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- keda.Serve(ctx, l, p, config) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	t.Cleanup(stop)
	return l.Addr().String(), stop
}

func connect(t *testing.T, address string) externalscaler.ExternalScalerClient {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	return externalscaler.NewExternalScalerClient(conn)
}

func ref(change ...string) *externalscaler.ScaledObjectRef {
	r := &externalscaler.ScaledObjectRef{Name: "scaled", Namespace: "a", ScalerMetadata: map[string]string{
		"scalerAddress": "x:1", "homeserver": "demo", "pool": "persisters", "lagTargetMilliseconds": "250",
	}}
	for i := 0; i < len(change); i += 2 {
		r.ScalerMetadata[change[i]] = change[i+1]
	}
	return r
}

func TestAScaledObjectThatNamesNoPoolIsToldSo(t *testing.T) {
	t.Parallel()
	address, _ := serve(t, &pools{}, nil)
	c := connect(t, address)
	elsewhere := ref()
	elsewhere.Namespace = "b"
	nowhere := ref()
	nowhere.Namespace = ""
	for name, test := range map[string]struct {
		ref  *externalscaler.ScaledObjectRef
		code codes.Code
		says string
	}{
		"no homeserver":     {ref("homeserver", ""), codes.InvalidArgument, "lacks homeserver"},
		"no pool":           {ref("pool", ""), codes.InvalidArgument, "lacks pool"},
		"no target":         {ref("lagTargetMilliseconds", ""), codes.InvalidArgument, "lacks lagTargetMilliseconds"},
		"no number":         {ref("lagTargetMilliseconds", "1s"), codes.InvalidArgument, `lagTargetMilliseconds is "1s"`},
		"no namespace":      {nowhere, codes.InvalidArgument, "of no namespace"},
		"another namespace": {elsewhere, codes.NotFound, "there is no such pool"},
		"no such pool":      {ref("pool", "x"), codes.NotFound, "there is no such pool"},
		"no metadata":       {&externalscaler.ScaledObjectRef{Namespace: "a"}, codes.InvalidArgument, "lacks homeserver"},
	} {
		for method, call := range map[string]func() error{
			"IsActive":      func() error { _, err := c.IsActive(t.Context(), test.ref); return err },
			"GetMetricSpec": func() error { _, err := c.GetMetricSpec(t.Context(), test.ref); return err },
			"GetMetrics": func() error {
				_, err := c.GetMetrics(t.Context(), &externalscaler.GetMetricsRequest{ScaledObjectRef: test.ref, MetricName: lagmetrics.Metric})
				return err
			},
			"StreamIsActive": func() error {
				stream, err := c.StreamIsActive(t.Context(), test.ref)
				require.NoError(t, err)
				_, err = stream.Recv()
				return err
			},
		} {
			err := call()
			require.Equal(t, test.code, status.Code(err), "%s, %s: %v", name, method, err)
			require.ErrorContains(t, err, test.says, "%s, %s", name, method)
		}
	}
}

func TestAnUnknownLagIsNoNumberAndNoReasonToBeInactive(t *testing.T) {
	t.Parallel()
	p := &pools{err: lag.Unknown("the pool has no worker")}
	address, _ := serve(t, p, nil)
	c := connect(t, address)
	_, err := c.GetMetrics(t.Context(), &externalscaler.GetMetricsRequest{ScaledObjectRef: ref(), MetricName: lagmetrics.Metric})
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.ErrorContains(t, err, "the lag is not known: the pool has no worker")
	active, err := c.IsActive(t.Context(), ref())
	require.NoError(t, err)
	require.True(t, active.Result)

	p.set(0, nil)
	active, err = c.IsActive(t.Context(), ref())
	require.NoError(t, err)
	require.True(t, active.Result, "nor is it one that nothing waits")
}

func TestAnotherMetricIsRefused(t *testing.T) {
	t.Parallel()
	address, _ := serve(t, &pools{}, nil)
	_, err := connect(t, address).GetMetrics(t.Context(), &externalscaler.GetMetricsRequest{ScaledObjectRef: ref(), MetricName: "x"})
	require.Equal(t, codes.NotFound, status.Code(err))
	require.ErrorContains(t, err, `there is no metric "x", only myelin_lag_milliseconds`)
}

func TestALargeRequestIsRefused(t *testing.T) {
	t.Parallel()
	address, _ := serve(t, &pools{}, nil)
	_, err := connect(t, address).IsActive(t.Context(), ref("x", strings.Repeat("x", 64<<10)))
	require.Equal(t, codes.ResourceExhausted, status.Code(err))
}

func TestStreamsAreBounded(t *testing.T) {
	t.Parallel()
	address, _ := serve(t, &pools{}, nil)
	c := connect(t, address)
	open := func() error {
		stream, err := c.StreamIsActive(t.Context(), ref())
		if err != nil {
			return err
		}
		_, err = stream.Recv()
		return err
	}
	for range keda.MaxStreams {
		require.NoError(t, open())
	}
	require.Equal(t, codes.ResourceExhausted, status.Code(open()))
	_, err := c.IsActive(t.Context(), ref())
	require.NoError(t, err, "questions are answered all the same")
}

func TestAStreamEndsWithTheServer(t *testing.T) {
	t.Parallel()
	address, stop := serve(t, &pools{}, nil)
	stream, err := connect(t, address).StreamIsActive(t.Context(), ref())
	require.NoError(t, err)
	active, err := stream.Recv()
	require.NoError(t, err)
	require.True(t, active.Result)
	stop()
	_, err = stream.Recv()
	require.Equal(t, codes.Unavailable, status.Code(err))
}

// told is what hack/keda prints.
type told struct {
	Code, Message string
	Answer        json.RawMessage
}

// ask asks with KEDA's own client, which is in a program of its own.
func ask(t *testing.T, program string, arguments ...string) told {
	t.Helper()
	var out, failure bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, arguments...)
	cmd.Stdout, cmd.Stderr = &out, &failure
	require.NoError(t, cmd.Run(), "%s", &failure)
	var answer told
	require.NoError(t, json.Unmarshal(out.Bytes(), &answer))
	return answer
}

func TestKEDAsOwnClientUnderstands(t *testing.T) {
	t.Parallel()
	program := t.TempDir() + "/keda"
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	build.Dir = "../../../hack/keda"
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)

	config, ca := certificateFor(t, "127.0.0.1")
	for name, config := range map[string]*tls.Config{"-": nil, ca: config} {
		p := &pools{total: 1500 * time.Millisecond}
		address, _ := serve(t, p, config)
		metadata := []string{"homeserver=demo", "pool=persisters", "lagTargetMilliseconds=250"}
		call := func(method string, more ...string) told {
			return ask(t, program, append(append([]string{address, name, "a", method}, more...), metadata...)...)
		}
		for _, method := range []string{"IsActive", "StreamIsActive"} {
			answer := call(method)
			require.Equal(t, "OK", answer.Code, answer.Message)
			require.JSONEq(t, `{"result": true}`, string(answer.Answer), method)
		}
		answer := call("GetMetricSpec")
		require.Equal(t, "OK", answer.Code, answer.Message)
		require.JSONEq(t, `{"metricSpecs": [{"metricName": "myelin_lag_milliseconds", "targetSize": "250", "targetSizeFloat": 250}]}`, string(answer.Answer))
		answer = call("GetMetrics", lagmetrics.Metric)
		require.Equal(t, "OK", answer.Code, answer.Message)
		require.JSONEq(t, `{"metricValues": [{"metricName": "myelin_lag_milliseconds", "metricValue": "1500", "metricValueFloat": 1500}]}`, string(answer.Answer))
		require.Equal(t, lagmetrics.Question{Namespace: "a", Homeserver: "demo", Pool: "persisters", Target: 250 * time.Millisecond}, p.asked)

		p.set(0, lag.Unknown("the pool has no worker"))
		answer = call("GetMetrics", lagmetrics.Metric)
		require.Equal(t, told{Code: "Unavailable", Message: "the lag is not known: the pool has no worker"}, answer)
		require.Equal(t, "Unimplemented", call("StreamMetricSpec").Code, "by which KEDA knows to ask GetMetricSpec")
	}
}

// What is here is what KEDA has, but for what is left out.
func TestTheProtocolIsKEDAs(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/kedacore/keda/v2")
	cmd.Dir = "../../../hack/keda"
	out, err := cmd.Output()
	require.NoError(t, err)
	theirs := statements(t, strings.TrimSpace(string(out))+"/pkg/scalers/externalscaler/externalscaler.proto")
	for name := range statements(t, "externalscaler/externalscaler.proto") {
		require.Contains(t, theirs, name)
	}
}

// statements of a definition, each with the block that it is in.
func statements(t *testing.T, path string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	all, block := map[string]bool{}, ""
	for line := range strings.SplitSeq(string(text), "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "//") || strings.HasPrefix(line, "option "):
		case strings.HasPrefix(line, "message "), strings.HasPrefix(line, "service "):
			block = line
			all[line] = true
		default:
			all[block+" "+line] = true
		}
	}
	require.Greater(t, len(all), 20)
	return all
}

// The sample's trigger is one that is understood.
func TestTheSampleIsAnswered(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../config/samples/scaledobject.yaml")
	require.NoError(t, err)
	var sample struct {
		Spec struct {
			ScaleTargetRef struct{ APIVersion, Kind, Name string }
			Triggers       []struct {
				Type     string
				Metadata map[string]string
			}
		}
	}
	require.NoError(t, yaml.Unmarshal(text, &sample))
	require.Equal(t, v1alpha1.GroupVersion.String(), sample.Spec.ScaleTargetRef.APIVersion)
	require.Equal(t, "WorkerPool", sample.Spec.ScaleTargetRef.Kind)
	require.Len(t, sample.Spec.Triggers, 1)
	trigger := sample.Spec.Triggers[0]
	require.Equal(t, "external", trigger.Type)
	require.Equal(t, sample.Spec.ScaleTargetRef.Name, trigger.Metadata["pool"])
	address, _ := serve(t, &pools{}, nil)
	trigger.Metadata["pool"] = "persisters"
	spec, err := connect(t, address).GetMetricSpec(t.Context(), &externalscaler.ScaledObjectRef{Namespace: "a", ScalerMetadata: trigger.Metadata})
	require.NoError(t, err)
	require.Equal(t, int64(500), spec.MetricSpecs[0].TargetSize)
}
