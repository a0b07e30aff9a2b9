// Package keda answers KEDA's external scaler protocol with the lag of a pool. The trigger of a ScaledObject says of which:
//
//	metadata:
//	  scalerAddress: myelin-metrics-adapter.myelin-system.svc:9443
//	  homeserver: demo
//	  pool: demo-persister
//	  lagTargetMilliseconds: "250"
//
// both in the ScaledObject's own namespace. A pool is active as long as it exists: one that were scaled to nothing because
// nothing waits, or because nobody knows, would have nobody left to take new work, nor to tell that some waits.
package keda

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/myelin-hs/myelin/cmd/metrics-adapter/keda/externalscaler"
	"github.com/myelin-hs/myelin/controllers/lagmetrics"
	"github.com/myelin-hs/myelin/pkg/lag"
)

const (
	// MaxStreams is how many ScaledObjects of type external-push are told at a time.
	MaxStreams = 1000
	// look is how often a stream looks whether its pool still exists.
	look = 30 * time.Second
)

// Lags answers questions; a lagmetrics.Reader does.
type Lags interface {
	Find(context.Context, lagmetrics.Question) error
	Lag(context.Context, lagmetrics.Question) (lagmetrics.Answer, error)
}

// A Scaler is the service that KEDA asks. Make it with [New].
type Scaler struct {
	externalscaler.UnimplementedExternalScalerServer
	lags    Lags
	streams chan struct{}
	ending  <-chan struct{}
}

// New makes a Scaler. Its streams end when ctx is done.
func New(ctx context.Context, lags Lags) *Scaler {
	return &Scaler{lags: lags, streams: make(chan struct{}, MaxStreams), ending: ctx.Done()}
}

// question reads the trigger's metadata. Names that it does not know are KEDA's own, such as scalerAddress.
func question(ref *externalscaler.ScaledObjectRef) (lagmetrics.Question, error) {
	const target = "lagTargetMilliseconds"
	given := func(name string) (string, error) {
		if value := ref.GetScalerMetadata()[name]; value != "" {
			return value, nil
		}
		return "", fmt.Errorf("%w: the trigger's metadata lacks %s", lagmetrics.ErrInvalid, name)
	}
	q := lagmetrics.Question{Namespace: ref.GetNamespace()}
	if q.Namespace == "" {
		return q, fmt.Errorf("%w: it is of no namespace", lagmetrics.ErrInvalid)
	}
	var err error
	if q.Homeserver, err = given("homeserver"); err != nil {
		return q, err
	}
	if q.Pool, err = given("pool"); err != nil {
		return q, err
	}
	text, err := given(target)
	if err != nil {
		return q, err
	}
	q.Target, err = lagmetrics.ParseTarget(target, text)
	return q, err
}

// refusal is the error as gRPC tells it.
func refusal(err error) error {
	code := codes.Internal
	switch {
	case errors.Is(err, context.Canceled):
		code = codes.Canceled
	case errors.Is(err, lagmetrics.ErrInvalid):
		code = codes.InvalidArgument
	case errors.Is(err, lagmetrics.ErrMissing):
		code = codes.NotFound
	case errors.Is(err, lag.ErrUnknown):
		code = codes.Unavailable
	}
	return status.Error(code, err.Error())
}

// find is the question that a ScaledObject asks, about a pool that there is.
func (s *Scaler) find(ctx context.Context, ref *externalscaler.ScaledObjectRef) (lagmetrics.Question, error) {
	q, err := question(ref)
	if err == nil {
		err = s.lags.Find(ctx, q)
	}
	if err != nil {
		return q, refusal(err)
	}
	return q, nil
}

// IsActive says true of each pool that exists, whether its lag is known or not.
func (s *Scaler) IsActive(ctx context.Context, ref *externalscaler.ScaledObjectRef) (*externalscaler.IsActiveResponse, error) {
	if _, err := s.find(ctx, ref); err != nil {
		return nil, err
	}
	return &externalscaler.IsActiveResponse{Result: true}, nil
}

// StreamIsActive says true once and then nothing, until the pool is gone.
func (s *Scaler) StreamIsActive(ref *externalscaler.ScaledObjectRef, stream grpc.ServerStreamingServer[externalscaler.IsActiveResponse]) error {
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		return status.Errorf(codes.ResourceExhausted, "there are %d streams already", MaxStreams)
	}
	if _, err := s.find(stream.Context(), ref); err != nil {
		return err
	}
	if err := stream.Send(&externalscaler.IsActiveResponse{Result: true}); err != nil {
		return err
	}
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		select {
		case <-stream.Context().Done():
			return refusal(stream.Context().Err())
		case <-s.ending:
			return status.Error(codes.Unavailable, "the metrics adapter stops")
		case <-tick.C:
			if _, err := s.find(stream.Context(), ref); err != nil {
				return err
			}
		}
	}
}

// GetMetricSpec says that there is the one metric, and its target.
func (s *Scaler) GetMetricSpec(ctx context.Context, ref *externalscaler.ScaledObjectRef) (*externalscaler.GetMetricSpecResponse, error) {
	q, err := s.find(ctx, ref)
	if err != nil {
		return nil, err
	}
	return &externalscaler.GetMetricSpecResponse{MetricSpecs: []*externalscaler.MetricSpec{{
		MetricName: lagmetrics.Metric, TargetSize: q.Target.Milliseconds(), TargetSizeFloat: float64(q.Target.Milliseconds()),
	}}}, nil
}

// GetMetrics gives the lag in whole milliseconds. One that is not known is the status Unavailable, with the reason.
func (s *Scaler) GetMetrics(ctx context.Context, r *externalscaler.GetMetricsRequest) (*externalscaler.GetMetricsResponse, error) {
	if r.GetMetricName() != lagmetrics.Metric {
		return nil, status.Errorf(codes.NotFound, "there is no metric %q, only %s", r.GetMetricName(), lagmetrics.Metric)
	}
	q, err := question(r.GetScaledObjectRef())
	if err != nil {
		return nil, refusal(err)
	}
	answer, err := s.lags.Lag(ctx, q)
	if err != nil {
		return nil, refusal(err)
	}
	return &externalscaler.GetMetricsResponse{MetricValues: []*externalscaler.MetricValue{{
		MetricName: lagmetrics.Metric, MetricValue: answer.Milliseconds(), MetricValueFloat: float64(answer.Milliseconds()),
	}}}, nil
}
