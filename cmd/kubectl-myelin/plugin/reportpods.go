package plugin

import (
	"bytes"
	"context"
	"fmt"
	"io"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

const (
	// maxReportPods bounds the pods whose logs and metrics are in a report.
	maxReportPods = 100
	// maxReportLog bounds one log, maxReportMetrics one worker's metrics, in bytes.
	maxReportLog     = 2 << 20
	maxReportMetrics = 4 << 20
)

// reportPods adds logs and metrics. One pod after the other: a report may take its time, and should not be a load.
func reportPods(ctx context.Context, a *archive, k cluster, o reportOptions) {
	pods, err := workerPods(ctx, k, "")
	if err != nil {
		a.lacks("the workers' logs and metrics", err)
	}
	if len(pods) > maxReportPods {
		a.lacks("logs and metrics of some workers", fmt.Errorf("there are %d pods, and %d are in a report", len(pods), maxReportPods))
		pods = pods[:maxReportPods]
	}
	for _, pod := range pods {
		reportLogs(ctx, a, k, pod, "worker", o)
		reportMetrics(ctx, a, k, pod)
	}
	if o.operatorNamespace == "" {
		return
	}
	selector := labels.Set{"app.kubernetes.io/name": "myelin", "app.kubernetes.io/component": "operator"}
	list, err := k.core.CoreV1().Pods(o.operatorNamespace).List(ctx, metav1.ListOptions{LabelSelector: selector.String(), Limit: 10})
	switch {
	case err != nil:
		a.lacks("the operator's log", err)
	case len(list.Items) == 0:
		a.lacks("the operator's log", fmt.Errorf("no operator's pod in namespace %s: choose another with --operator-namespace", o.operatorNamespace))
	default:
		for _, pod := range list.Items {
			reportLogs(ctx, a, k, pod, "operator", o)
		}
	}
}

func reportLogs(ctx context.Context, a *archive, k cluster, pod corev1.Pod, container string, o reportOptions) {
	if o.tail == 0 {
		return
	}
	reportLog(ctx, a, k, pod, container, o, false)
	for _, s := range pod.Status.ContainerStatuses {
		if s.Name == container && s.RestartCount > 0 {
			reportLog(ctx, a, k, pod, container, o, true)
		}
	}
}

func reportLog(ctx context.Context, a *archive, k cluster, pod corev1.Pod, container string, o reportOptions, previous bool) {
	ctx, cancel := context.WithTimeout(ctx, reportPatience)
	defer cancel()
	name := "logs/" + pod.Name + ".log"
	options := corev1.PodLogOptions{Container: container, Previous: previous, TailLines: &o.tail}
	if previous {
		name = "logs/" + pod.Name + ".previous.log"
	}
	if o.since > 0 {
		seconds := max(int64(o.since.Seconds()), 1)
		options.SinceSeconds = &seconds
	}
	stream, err := k.core.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &options).Stream(ctx)
	if err != nil {
		a.lacks(name, err)
		return
	}
	defer stream.Close()
	text, err := lastBytes(stream, maxReportLog)
	if err != nil {
		a.lacks("the end of "+name, err)
	}
	a.text(name, text)
}

// lastBytes reads all and keeps the end, from the beginning of a line: half a line might be half of a secret.
func lastBytes(from io.Reader, most int) ([]byte, error) {
	var kept []byte
	cut := false
	chunk := make([]byte, 64<<10)
	for {
		n, err := from.Read(chunk)
		if kept = append(kept, chunk[:n]...); len(kept) > 2*most {
			kept, cut = append([]byte(nil), kept[len(kept)-most:]...), true
		}
		if err != nil {
			if len(kept) > most {
				kept, cut = kept[len(kept)-most:], true
			}
			if cut {
				_, kept, _ = bytes.Cut(kept, []byte("\n"))
			}
			if err == io.EOF {
				err = nil
			}
			return kept, err
		}
	}
}

func reportMetrics(ctx context.Context, a *archive, k cluster, pod corev1.Pod) {
	name := "metrics/" + pod.Name + ".txt"
	if pod.Status.Phase != corev1.PodRunning {
		a.lacks(name, fmt.Errorf("the pod is %s", pod.Status.Phase))
		return
	}
	ctx, cancel := context.WithTimeout(ctx, reportPatience)
	defer cancel()
	text, err := k.metrics(ctx, pod.Name)
	if err != nil {
		a.lacks(name, err)
		return
	}
	a.text(name, text)
}
