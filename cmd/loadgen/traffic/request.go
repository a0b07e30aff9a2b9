package traffic

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/myelin-hs/myelin/cmd/loadgen/matrix"
)

// pick is who makes the nth request of a kind, in which room, and, as far as it is for somebody, for whom. All rooms come in
// turn, and in each of them all members; who syncs comes in turn, too.
func (l *Load) pick(kind string, n int) (at int, u, to *user) {
	if kind == Sync || kind == FirstSync {
		return 0, l.users[n%len(l.users)], nil
	}
	at = n % len(l.rooms)
	members, turn := l.rooms[at].members, n/len(l.rooms)
	return at, members[turn%len(members)], members[(turn+1)%len(members)]
}

// request makes the nth request of a kind.
func (t *trial) request(ctx context.Context, kind string, n int, due time.Time) error {
	at, u, to := t.load.pick(kind, n)
	r := t.load.rooms[at]
	switch kind {
	case Send:
		return t.send(ctx, u, at, due)
	case Receipt:
		if last := r.last.Load(); last != nil {
			return u.Receipt(ctx, r.id, *last)
		}
		return u.Receipt(ctx, r.id, "$none") // nothing was sent to that room yet
	case AccountData:
		return u.SetAccountData(ctx, "org.example.load", map[string]any{"n": n})
	case DeviceList:
		return u.RenameDevice(ctx, "device of load "+strconv.Itoa(n))
	case ToDevice:
		return u.SendToDevice(ctx, "org.example.load", t.key(n), to.UserID, map[string]any{"n": n})
	case Sync:
		return t.sync(ctx, u)
	case FirstSync:
		return firstSync(ctx, u)
	}
	return fmt.Errorf("no such kind of request: %s", kind)
}

func (t *trial) send(ctx context.Context, u *user, at int, due time.Time) error {
	r := t.load.rooms[at]
	number := t.tracker.Send(at, due)
	key := t.key(number)
	body := key + " "
	if more := t.load.cfg.Body - len(body); more > 0 {
		body += strings.Repeat("x", more)
	}
	id, err := u.SendText(ctx, r.id, key, body)
	switch {
	case err == nil:
		t.tracker.Acknowledged(number, id)
		r.last.Store(&id)
	case matrix.Refused(err):
		t.tracker.Refused(number)
	}
	return err
}

// key names a message of this trial; number reads it.
func (t *trial) key(number int) string { return t.prefix + strconv.Itoa(number) }

func (t *trial) number(e matrix.Event) (number int, ok bool) {
	key, _, _ := strings.Cut(e.Key(), " ")
	rest, ours := strings.CutPrefix(key, t.prefix)
	if !ours {
		return 0, false
	}
	number, err := strconv.Atoi(rest)
	return number, err == nil
}

// sync is one answer of /sync, without waiting, from where the user's last one ended.
func (t *trial) sync(ctx context.Context, u *user) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	ask := u.Begin
	if u.since != "" {
		ask = func(ctx context.Context) (matrix.Sync, error) { return u.Sync(ctx, u.since, 0) }
	}
	answer, err := ask(ctx)
	if err != nil {
		return err
	}
	err = u.Deliver(ctx, answer, u.since, func(room string, e matrix.Event) { t.load.seen(u, room, e) })
	if err == nil {
		u.since = answer.NextBatch
	}
	return err
}

// firstSync is one answer of /sync from the beginning, which must have all rooms of the user.
func firstSync(ctx context.Context, u *user) error {
	answer, err := u.Sync(ctx, "", 0)
	if err != nil {
		return err
	}
	for _, id := range u.rooms {
		if _, there := answer.Rooms.Join[id]; !there {
			return &matrix.NonsenseError{What: "has not all rooms of the user"}
		}
	}
	return nil
}

// reason is an error in the few words that are the same for all of its sort.
func reason(err error) string {
	var status *matrix.StatusError
	var network *net.OpError
	switch {
	case errors.As(err, &status) && status.Location != "":
		return fmt.Sprintf("%d redirects to %q", status.Status, status.Location)
	case errors.As(err, &status):
		return fmt.Sprintf("%d %s", status.Status, status.Code)
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.As(err, &network):
		return network.Op + ": " + network.Err.Error()
	}
	text := err.Error()
	return strings.TrimSpace(text[strings.LastIndex(text, ": ")+1:])
}
