package plugin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

const (
	// maxFollowed bounds the pods whose logs are read at once.
	maxFollowed = 100
	// maxLine bounds a line of a log; the rest of a longer one is on lines of its own.
	maxLine = 64 << 10
)

type logsOptions struct {
	pool             string
	follow, previous bool
	tail             int64
	since            time.Duration
}

func logsCommand(s *session) *cobra.Command {
	var o logsOptions
	cmd := &cobra.Command{
		Use:   "logs [WORKER]",
		Short: "Print the logs of the workers, of a pool's, or of one",
		Long:  "Print the logs of the workers, of a pool's, or of one, each line after its pod's name. No worker has to answer for it.",
		Example: "  kubectl myelin logs --pool demo-persister --since 10m\n  kubectl myelin logs demo-persister-6d5f-x2x9z -f\n" +
			"  kubectl myelin logs demo-persister-6d5f-x2x9z --previous",
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.MaximumNArgs(1)(cmd, args); err != nil {
				return usageError(err)
			}
			if o.tail < -1 || o.since < 0 {
				return usageError(errors.New("--tail must be at least -1, and --since not negative"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			k, err := s.open(cmd.Context(), s.target)
			if err != nil {
				return err
			}
			pods, err := workerPods(cmd.Context(), k, o.pool)
			if err != nil {
				return err
			}
			if len(args) > 0 {
				pods = slices.DeleteFunc(pods, func(p corev1.Pod) bool { return p.Name != args[0] })
			}
			return s.logs(cmd.Context(), k, pods, o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.pool, "pool", "", "only of this WorkerPool")
	flags.BoolVarP(&o.follow, "follow", "f", false, "go on with what is written from now on, until Ctrl-C")
	flags.BoolVarP(&o.previous, "previous", "p", false, "of the container before the last restart")
	flags.Int64Var(&o.tail, "tail", 100, "lines from the end of each log; -1 is all")
	flags.DurationVar(&o.since, "since", 0, "only what is younger than this; 0 is all")
	return cmd
}

// workerPods are the homeserver's workers, ready or not, of one pool if it is named.
func workerPods(ctx context.Context, k cluster, pool string) ([]corev1.Pod, error) {
	selector := labels.Set{v1alpha1.LabelHomeserver: k.homeserver.Name, "app.kubernetes.io/component": "worker"}
	if pool != "" {
		selector[v1alpha1.LabelPool] = pool
	}
	list, err := k.core.CoreV1().Pods(k.homeserver.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector.String()})
	if err != nil {
		return nil, unreachableError(fmt.Errorf("list the workers' pods: %w", err))
	}
	return list.Items, nil
}

// logs copies the pods' logs, line by line. A pod whose log cannot be read does not stop the others.
func (s *session) logs(ctx context.Context, k cluster, pods []corev1.Pod, o logsOptions) error {
	if len(pods) == 0 {
		return refusedError(errors.New("there is no such worker's pod: see kubectl myelin workers"))
	}
	if len(pods) > maxFollowed {
		return refusedError(fmt.Errorf("there are %d pods, and at most %d are read at once: choose a --pool or a worker", len(pods), maxFollowed))
	}
	options := corev1.PodLogOptions{Container: "worker", Follow: o.follow, Previous: o.previous}
	if o.tail >= 0 {
		options.TailLines = &o.tail
	}
	if seconds := int64(o.since.Round(time.Second).Seconds()); o.since > 0 {
		seconds = max(seconds, 1)
		options.SinceSeconds = &seconds
	}
	var mu sync.Mutex // a line at a time
	var group errgroup.Group
	failed := make([]error, len(pods))
	for i, pod := range pods {
		group.Go(func() error {
			stream, err := k.core.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &options).Stream(ctx)
			if err == nil {
				err = copyLines(s.out, &mu, pod.Name, stream)
				_ = stream.Close()
			}
			if err != nil && ctx.Err() == nil {
				failed[i] = fmt.Errorf("%s: %w", pod.Name, err)
			}
			return nil
		})
	}
	_ = group.Wait()
	return errors.Join(failed...)
}

func copyLines(to io.Writer, mu *sync.Mutex, pod string, from io.Reader) error {
	lines := bufio.NewReaderSize(from, maxLine)
	for {
		line, _, err := lines.ReadLine()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		mu.Lock()
		_, err = fmt.Fprintf(to, "%s  %s\n", pod, line)
		mu.Unlock()
		if err != nil {
			return err
		}
	}
}
