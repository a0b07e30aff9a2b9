// Command keda asks an external scaler as KEDA does: with the client that KEDA generates from its own definition of the
// protocol. It is for the tests of the metrics adapter, and a module of its own: KEDA brings more than the adapter, and two
// packages of the same protocol cannot be in one program.
//
//	keda <address> <ca file, or - for no TLS> <namespace> <method> [<metric>] [<name>=<value> ...]
//
// The method is IsActive, GetMetricSpec, StreamIsActive or StreamMetricSpec (the first answer of a stream), or GetMetrics, which
// alone has a metric. It prints {"code": "...", "message": "...", "answer": {...}} in a line of JSON.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	pb "github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "keda:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) < 4 {
		return errors.New("arguments: <address> <ca file or -> <namespace> <method> [<metric>] [<name>=<value> ...]")
	}
	address, ca, namespace, method, rest := args[0], args[1], args[2], args[3], args[4:]
	transport := insecure.NewCredentials()
	if ca != "-" {
		var err error
		if transport, err = credentials.NewClientTLSFromFile(ca, ""); err != nil {
			return err
		}
	}
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(transport))
	if err != nil {
		return err
	}
	defer conn.Close()
	var metric string
	if method == "GetMetrics" && len(rest) > 0 {
		metric, rest = rest[0], rest[1:]
	}
	ref := &pb.ScaledObjectRef{Name: "scaled", Namespace: namespace, ScalerMetadata: map[string]string{"scalerAddress": address}}
	for _, pair := range rest {
		name, value, _ := strings.Cut(pair, "=")
		ref.ScalerMetadata[name] = value
	}
	answer, err := ask(ctx, pb.NewExternalScalerClient(conn), method, metric, ref)
	told := map[string]any{"code": status.Code(err).String()}
	if err != nil {
		told["message"] = status.Convert(err).Message()
	} else {
		text, err := protojson.Marshal(answer)
		if err != nil {
			return err
		}
		told["answer"] = json.RawMessage(text)
	}
	return json.NewEncoder(os.Stdout).Encode(told)
}

func ask(ctx context.Context, c pb.ExternalScalerClient, method, metric string, ref *pb.ScaledObjectRef) (proto.Message, error) {
	switch method {
	case "IsActive":
		return c.IsActive(ctx, ref)
	case "StreamIsActive":
		stream, err := c.StreamIsActive(ctx, ref)
		if err != nil {
			return nil, err
		}
		return stream.Recv()
	case "StreamMetricSpec":
		stream, err := c.StreamMetricSpec(ctx, ref)
		if err != nil {
			return nil, err
		}
		return stream.Recv()
	case "GetMetricSpec":
		return c.GetMetricSpec(ctx, ref)
	case "GetMetrics":
		return c.GetMetrics(ctx, &pb.GetMetricsRequest{ScaledObjectRef: ref, MetricName: metric})
	}
	return nil, fmt.Errorf("there is no method %s", method)
}
