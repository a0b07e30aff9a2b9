// Package command is the command line of the load generator.
package command

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/myelin-hs/myelin/cmd/loadgen/matrix"
	"github.com/myelin-hs/myelin/cmd/loadgen/traffic"
)

// Options are what the command line says.
type Options struct {
	Base, Profile          string
	SecretFile, TokensFile string
	Rate, MaxRate          float64
	Duration, Warmup       time.Duration
	FindRate               bool
	P99                    time.Duration
	Size                   traffic.Size // 0 of a field: the profile's
	Body                   int
	InFlight, Backlog      int
	Deadline, Patience     time.Duration
	Ready                  time.Duration
	JSON                   bool
}

// Bounds of what the generator keeps in memory.
const (
	maxMessages = 5_000_000 // of a trial
	maxInFlight = 20_000
	minRate     = 0.001
	maxRate     = 1_000_000
	maxTime     = 24 * time.Hour // of each that is set
)

// usage is what --help says before the flags.
const usage = `loadgen loads a Matrix homeserver through its client-server API and says how it fared.

It makes accounts and rooms of its own, which stay. Requests are made at a steady rate whatever the answers take, and what
a request took counts from when it was due: a server that stalls hides nothing. Listeners long-poll /sync and check that
each acknowledged message comes once, and in the same order for all.

  loadgen --base http://127.0.0.1:8008 --profile send --rate 40
  loadgen --base https://matrix.example.org --shared-secret-file secret --profile mixed --rate 130 --duration 5m
  loadgen --base http://127.0.0.1:8008 --profile send --find-rate --p99 100ms

Profiles:
%s
Accounts are registered openly, or with --shared-secret-file, or taken from --tokens-file. Raise or lift the server's
rate limits for them, or requests fail with 429.

Ends with 0 if all went well, 1 if it could not run or its listeners gave up, 2 if it was told nonsense, 3 if requests
failed or no rate keeps the bound, 4 if what arrived was not what was sent, 130 when it was interrupted; what was measured
until then is printed in any case.

Flags:
`

// Parse reads a command line. It prints the help to out when asked for it, and then returns flag.ErrHelp.
func Parse(args []string, out io.Writer) (Options, error) {
	o := Options{}
	flags := flag.NewFlagSet("loadgen", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.Base, "base", "http://127.0.0.1:8008", "base `URL` of the homeserver")
	flags.StringVar(&o.Profile, "profile", "send", "`name` of what is done: "+strings.Join(names(), ", "))
	flags.StringVar(&o.SecretFile, "shared-secret-file", "", "`file` with the registration shared secret (the API of Synapse)")
	flags.StringVar(&o.TokensFile, "tokens-file", "", "`file` with access tokens of existing accounts, one a line, each of another user")
	flags.Float64Var(&o.Rate, "rate", 40, "requests a second; with --find-rate: where the search begins")
	flags.DurationVar(&o.Duration, "duration", 30*time.Second, "how long is measured; with --find-rate: each time, and twice as long at the end")
	flags.DurationVar(&o.Warmup, "warmup", 2*time.Second, "how long requests are made before that")
	flags.BoolVar(&o.FindRate, "find-rate", false, "find the greatest rate that keeps --p99 without a failed request, within 5 %")
	flags.DurationVar(&o.P99, "p99", 100*time.Millisecond, "with --find-rate: what 99 of 100 requests of each kind may take")
	flags.Float64Var(&o.MaxRate, "max-rate", 20_000, "with --find-rate: where the search ends")
	flags.IntVar(&o.Size.Rooms, "rooms", 0, "rooms to make; 0: as many as suit the profile, and so for the next three")
	flags.IntVar(&o.Size.Users, "users", 0, "users who make requests")
	flags.IntVar(&o.Size.Members, "members", 0, "users in each room")
	flags.IntVar(&o.Size.Listeners, "listeners", -1, "further users, who are in all rooms and listen; -1: as many as suit the profile")
	flags.IntVar(&o.Body, "body", 200, "bytes of a message's text")
	flags.IntVar(&o.InFlight, "in-flight", 256, "requests under way at once, at most")
	flags.IntVar(&o.Backlog, "backlog", 2000, "requests that may wait for that; what is due beyond is not made, and counts as failed")
	flags.DurationVar(&o.Deadline, "deadline", matrix.Deadline, "what a request may take before it counts as failed")
	flags.DurationVar(&o.Patience, "patience", 10*time.Second, "how long deliveries may stand still at the end before what is missing counts as lost")
	flags.DurationVar(&o.Ready, "ready", traffic.Ready, "how long the listeners may take at the start until each has the answer to its first /sync")
	flags.BoolVar(&o.JSON, "json", false, "print the results as JSON")
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(out, usage, profiles())
		flags.SetOutput(out)
		flags.PrintDefaults()
		return o, err
	}
	if err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("what is %q? There are flags only", flags.Arg(0))
	}
	return o, o.complete()
}

// complete fills in what suits the profile, and says what makes no sense.
func (o *Options) complete() error {
	base, err := url.Parse(o.Base)
	if err == nil && base.User != nil {
		return errors.New("--base names a user or a password, which nothing here would use: leave them out")
	}
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return fmt.Errorf("--base %q is no URL such as http://127.0.0.1:8008", o.Base)
	}
	if strings.ContainsAny(o.Base, "?#") {
		return fmt.Errorf("--base %q has a query or fragment, to which no path can be added: leave it out", o.Base)
	}
	o.Base = strings.TrimRight(o.Base, "/")
	p, known := traffic.FindProfile(o.Profile)
	if !known {
		return fmt.Errorf("--profile %q: there are %s", o.Profile, strings.Join(names(), ", "))
	}
	for _, f := range []struct{ value, usual *int }{{&o.Size.Rooms, &p.Size.Rooms}, {&o.Size.Users, &p.Size.Users}} {
		if *f.value == 0 {
			*f.value = *f.usual
		}
	}
	if o.Size.Members == 0 {
		o.Size.Members = min(p.Size.Members, o.Size.Users)
	}
	if o.Size.Listeners == -1 {
		o.Size.Listeners = p.Size.Listeners
	}
	if err := o.Size.Check(); err != nil {
		return err
	}
	most := o.Rate
	if o.FindRate {
		most = max(o.Rate, o.MaxRate)
	}
	switch {
	case o.SecretFile != "" && o.TokensFile != "":
		return errors.New("say either --shared-secret-file or --tokens-file")
	// NaN is neither above nor below anything: only what is within the bounds passes.
	case !(o.Rate >= minRate && o.Rate <= maxRate):
		return fmt.Errorf("--rate %g must be between %g and %d", o.Rate, minRate, maxRate)
	case o.FindRate && !(o.MaxRate >= o.Rate && o.MaxRate <= maxRate):
		return fmt.Errorf("--max-rate %g must be between --rate and %d", o.MaxRate, maxRate)
	case o.Duration <= 0 || o.Duration > maxTime || o.Warmup < 0 || o.Warmup > maxTime:
		return fmt.Errorf("--duration must be above 0, --warmup not below, and neither above %s", maxTime)
	case !(most*(2*o.Duration+o.Warmup).Seconds() <= maxMessages):
		return fmt.Errorf("%g requests a second for %s are more than the %d that can be judged: lower one of them", most, o.Duration, maxMessages)
	case !within(o.P99, o.Deadline, o.Patience, o.Ready):
		return fmt.Errorf("--p99, --deadline, --patience and --ready must be above 0 and at most %s", maxTime)
	case o.InFlight < 1 || o.InFlight > maxInFlight || o.Backlog < 0 || o.Backlog > 1_000_000:
		return fmt.Errorf("--in-flight must be between 1 and %d, --backlog between 0 and 1000000", maxInFlight)
	case o.Body < 0 || o.Body > 60_000:
		return errors.New("--body must be between 0 and 60000")
	}
	return nil
}

// within reports whether all of these are above 0 and at most maxTime.
func within(all ...time.Duration) bool {
	return !slices.ContainsFunc(all, func(d time.Duration) bool { return d <= 0 || d > maxTime })
}

func names() []string {
	var all []string
	for _, p := range traffic.Profiles {
		all = append(all, p.Name)
	}
	return all
}

func profiles() string {
	var b strings.Builder
	for _, p := range traffic.Profiles {
		fmt.Fprintf(&b, "  %-11s %s\n", p.Name, p.About)
	}
	return b.String()
}
