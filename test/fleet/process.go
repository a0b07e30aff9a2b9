package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/myelin-hs/myelin/pkg/network/porttest"
)

// Operator is one process of the operator.
type Operator struct {
	cmd     *exec.Cmd
	ended   chan error
	metrics string // URL
	log     string
	elected bool // it renews a Lease
}

// StartOperator runs the command with the operator's flags. What it asks of workers goes to the proxy.
func StartOperator(ctx context.Context, a *APIServer, proxy, log string, command []string, flags ...string) (*Operator, error) {
	port, err := porttest.Reserve()
	if err != nil {
		return nil, err
	}
	address := "127.0.0.1:" + strconv.Itoa(port)
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	args := append(command[1:len(command):len(command)], "--metrics-addr="+address, "--probe-addr=0", "--leader-election-namespace="+operatorNamespace)
	o := &Operator{ended: make(chan error, 1), metrics: "http://" + address + "/metrics", log: log, elected: !slices.Contains(flags, "--leader-elect=false")}
	o.cmd = exec.CommandContext(ctx, command[0], append(args, flags...)...)
	o.cmd.Env = append(os.Environ(), "KUBECONFIG="+a.Kubeconfig, "HTTP_PROXY="+proxy, "http_proxy="+proxy, "NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1")
	o.cmd.Stdout, o.cmd.Stderr = out, out
	o.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := o.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the operator: %w", err)
	}
	go func() { o.ended <- o.cmd.Wait() }()
	return o, nil
}

// Stop ends it as Kubernetes does, and returns what is wrong with its end.
func (o *Operator) Stop() error {
	if err := o.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop the operator, whose log is %s: %w", o.log, err)
	}
	if err := <-o.ended; err != nil {
		return fmt.Errorf("the operator ended badly, see %s: %w", o.log, err)
	}
	return nil
}

// Metrics are the sums of its metrics by name, and by name and one label as name{label="value"}.
type Metrics map[string]float64

// Metrics asks for them; an error while it has not started.
func (o *Operator) Metrics(ctx context.Context) (Metrics, error) {
	select {
	case err := <-o.ended:
		o.ended <- err
		return nil, fmt.Errorf("the operator has ended, see %s: %w", o.log, err)
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, o.metrics, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	return parseMetrics(answer.Body)
}

// parseMetrics reads Prometheus' text. Label values are taken to hold no comma or brace.
func parseMetrics(text io.Reader) (Metrics, error) {
	m := Metrics{}
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		series, value, ok := strings.Cut(lines.Text(), " ")
		if !ok || strings.HasPrefix(series, "#") {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			continue
		}
		name, labels, _ := strings.Cut(strings.TrimSuffix(series, "}"), "{")
		m[name] += v
		for label := range strings.SplitSeq(labels, ",") {
			if label != "" {
				m[name+"{"+label+"}"] += v
			}
		}
	}
	return m, lines.Err()
}

// Requests to the API server so far, watches included.
func (m Metrics) Requests() float64 { return m["rest_client_requests_total"] }

// Writes to the API server so far, but for what it found invalid, which is tried again.
func (m Metrics) Writes() float64 {
	return m.Requests() - m[`rest_client_requests_total{method="GET"}`] - m[`rest_client_requests_total{code="422"}`]
}

// Passes of a controller so far.
func (m Metrics) Passes(controller string) float64 {
	return m[`controller_runtime_reconcile_total{controller="`+controller+`"}`]
}

// memory reads VmRSS and VmHWM, in MB: what the process holds now, and the most it ever held.
func (o *Operator) memory() (now, most float64, err error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(o.cmd.Process.Pid), "status"))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		kb, _ := strconv.ParseFloat(f[1], 64)
		switch f[0] {
		case "VmRSS:":
			now = kb / 1024
		case "VmHWM:":
			most = kb / 1024
		}
	}
	return now, most, nil
}
