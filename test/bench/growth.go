package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/myelin-hs/myelin/cmd/loadgen/matrix"
	"github.com/myelin-hs/myelin/cmd/loadgen/measure"
	"github.com/myelin-hs/myelin/cmd/loadgen/traffic"
	"github.com/myelin-hs/myelin/test/figures"
	"github.com/myelin-hs/myelin/test/plot"
)

func growthTable() []figures.Row {
	return []figures.Row{
		figures.Unmeasured("growth.rooms", "ratio", "≤ 1.2"),
		figures.Unmeasured("growth.history", "ratio", "≤ 1.2"),
		figures.Unmeasured("growth.shards", "ratio", "≤ 1.2"),
	}
}

// working is the number of rooms that are written to while everything else grows.
const working = 100

// A curve is what an event costs as one thing grows. Its ratio compares the last point with the one at from.
type curve struct {
	name, label string
	sizes       []int
	from        int
	points      []plot.Point
	// grow makes a homeserver's database that large; more than once in the same one if keep is set.
	grow func(ctx context.Context, b *bulk, size int) (rooms []string, err error)
	keep bool
}

// growth measures the curves.
func growth(ctx context.Context, r *rig) ([]figures.Row, error) {
	curves := []*curve{
		{name: "rooms", label: "rooms of 20 members", sizes: pick(r, []int{100, 1000, 10_000, 100_000}, []int{100, 120}), from: pick(r, 1000, 100), keep: true, grow: moreRooms},
		{name: "users", label: "accounts", sizes: pick(r, []int{100, 1000, 10_000, 100_000}, []int{100, 120}), from: pick(r, 1000, 100), keep: true, grow: moreUsers},
		{name: "shards", label: "shards", sizes: pick(r, []int{16, 64, 256, 1024}, []int{4, 8}), from: pick(r, 16, 4), grow: sameRooms},
		{name: "history", label: "events of the past in the rooms written to", sizes: pick(r, []int{1000, 10_000, 100_000, 1_000_000}, []int{1000, 2000}), from: 1000, grow: moreHistory},
	}
	var rows []figures.Row
	for _, c := range curves {
		if err := r.trace(ctx, c); err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		first := c.points[slices.Index(c.sizes, c.from)].Y
		ratio := c.points[len(c.points)-1].Y / first
		if c.name == "users" { // the table has no goal for it
			rows = append(rows, told("growth.users", "ratio", ratio))
		} else {
			rows = append(rows, figures.AtMost("growth."+c.name, "ratio", ratio, 1.2))
		}
		for i, size := range c.sizes {
			rows = append(rows, told(fmt.Sprintf("growth.%s_%d", c.name, size), "µs of a core an event", c.points[i].Y))
		}
		if err := r.draw(c); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// draw writes the curve's picture: into the documents, or where it is removed after a short run.
func (r *rig) draw(c *curve) error {
	text := plot.Plot{
		Title: "What an event costs as " + c.name + " grow", XLabel: c.label, LogX: true,
		Panels: []plot.Panel{{YLabel: "µs of a core an event", Series: []plot.Series{{Name: "workers and Postgres", Points: c.points}}}},
	}.SVG()
	return os.WriteFile(filepath.Join(pick(r, "docs", r.dir), "growth-"+c.name+".svg"), text, 0o644)
}

// trace measures a curve's points.
func (r *rig) trace(ctx context.Context, c *curve) error {
	var p *plant
	defer func() { p.close(ctx) }()
	for _, size := range c.sizes {
		if p == nil || !c.keep {
			p.close(ctx)
			shards := 0
			if c.name == "shards" {
				shards = size
			}
			var err error
			if p, err = r.plant(ctx, shards); err != nil {
				return err
			}
		}
		if err := p.bulk.resume(ctx); err != nil {
			return err
		}
		rooms, err := c.grow(ctx, p.bulk, size)
		if err == nil {
			err = p.bulk.finish(ctx)
		}
		if err != nil {
			return fmt.Errorf("grow to %d: %w", size, err)
		}
		cost, parts, err := r.cost(ctx, p.fleet, rooms)
		if err != nil {
			return fmt.Errorf("at %d: %w", size, err)
		}
		r.say("%d %s: %.0f µs of a core an event: %s", size, c.label, cost, describe(parts))
		c.points = append(c.points, plot.Point{X: float64(size), Y: cost})
	}
	return nil
}

// A plant is a homeserver that grows: a database, what loads it, and workers, which are stopped meanwhile.
type plant struct {
	bulk  *bulk
	fleet *fleet
	drop  func()
}

// plant makes one with so many shards, 0: as many as usual. It has the accounts of those who write.
func (r *rig) plant(ctx context.Context, shards int) (p *plant, err error) {
	p = &plant{}
	uri, drop, err := r.database(ctx, shards)
	if err != nil {
		return p, err
	}
	p.drop = drop
	if p.bulk, err = newBulk(ctx, uri); err != nil {
		return p, err
	}
	if err := p.bulk.accounts(ctx, 0, members); err != nil {
		return p, err
	}
	p.fleet, err = r.fleet(uri, persister, syncer)
	return p, err
}

func (p *plant) close(ctx context.Context) {
	if p == nil {
		return
	}
	if p.fleet != nil {
		p.fleet.close()
	}
	if p.bulk != nil {
		p.bulk.close(ctx)
	}
	if p.drop != nil {
		p.drop()
	}
}

// describe says what each part costs.
func describe(parts map[string]float64) string {
	var text []string
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		text = append(text, fmt.Sprintf("%s %.0f", name, parts[name]))
	}
	return strings.Join(text, ", ")
}

// sameRooms makes the rooms that are written to.
func sameRooms(ctx context.Context, b *bulk, _ int) ([]string, error) { return worked(ctx, b, 0) }

func worked(ctx context.Context, b *bulk, messages int) (rooms []string, err error) {
	for range working {
		room, err := b.room(ctx, span(0, members), messages/working)
		if err != nil {
			return nil, err
		}
		rooms = append(rooms, room)
	}
	return rooms, nil
}

func moreHistory(ctx context.Context, b *bulk, size int) ([]string, error) {
	return worked(ctx, b, size)
}

// moreRooms makes the rooms that are written to, and later others of people who do not.
func moreRooms(ctx context.Context, b *bulk, size int) ([]string, error) {
	if b.rooms == 0 {
		return worked(ctx, b, 0)
	}
	for b.rooms < size {
		if _, err := b.room(ctx, span(1000+b.rooms, members), 0); err != nil {
			return nil, err
		}
	}
	return existing(ctx, b)
}

// moreUsers makes accounts of people who do nothing.
func moreUsers(ctx context.Context, b *bulk, size int) ([]string, error) {
	var have int
	if err := b.db.QueryRow(ctx, "SELECT count(*) FROM account").Scan(&have); err != nil {
		return nil, err
	}
	if err := b.accounts(ctx, have, size-have); err != nil {
		return nil, err
	}
	if b.rooms == 0 {
		return worked(ctx, b, 0)
	}
	return existing(ctx, b)
}

// existing are the rooms that are written to, in a database that has them.
func existing(ctx context.Context, b *bulk) (rooms []string, err error) {
	err = b.db.QueryRow(ctx, "SELECT array_agg(room_id) FROM (SELECT room_id FROM room ORDER BY created LIMIT $1) r", working).Scan(&rooms)
	return rooms, err
}

// cost is what an event costs, in microseconds of a core, workers and Postgres together: the median of three times that
// messages are sent at a steady rate. parts says what each part costs in that time.
func (r *rig) cost(ctx context.Context, f *fleet, rooms []string) (cost float64, parts map[string]float64, err error) {
	if err := f.start(ctx); err != nil {
		return 0, nil, err
	}
	defer f.stop(ctx)
	transport := matrix.Transport(600)
	cfg := engine(traffic.Size{Rooms: len(rooms), Users: members, Members: members}, "send", func(ctx context.Context, n int, _ string) (*matrix.Client, error) {
		return matrix.WithToken(ctx, f.base(), token(n), transport, nil)
	})
	cfg.Rooms = rooms
	cfg.Run = fmt.Sprint("cost-", r.databases, "-", time.Now().UnixNano())
	if f.load, err = traffic.New(ctx, cfg); err != nil {
		return 0, nil, err
	}
	warm := traffic.Trial{Rate: 300, Length: pick(r, 3*time.Second, 400*time.Millisecond)}
	if _, err := f.play(ctx, warm); err != nil {
		return 0, nil, err
	}
	var times []map[string]float64
	for range pick(r, 3, 1) {
		parts, err := r.once(ctx, f, traffic.Trial{Rate: 300, Length: pick(r, 6*time.Second, 300*time.Millisecond)})
		if err != nil {
			return 0, nil, err
		}
		delete(parts, loading)
		times = append(times, parts)
	}
	slices.SortFunc(times, func(a, b map[string]float64) int { return cmp.Compare(sum(a), sum(b)) })
	parts = times[len(times)/2]
	return sum(parts), parts, nil
}

func sum(parts map[string]float64) (all float64) {
	for _, part := range parts {
		all += part
	}
	return all
}

// once is what an event costs in one trial, by part.
func (r *rig) once(ctx context.Context, f *fleet, p traffic.Trial) (map[string]float64, error) {
	before, err := r.tally(f)
	if err != nil {
		return nil, err
	}
	result, err := f.play(ctx, p)
	if err != nil {
		return nil, err
	}
	send, _ := measure.Find(result.Rows, traffic.Send)
	return before.each(send.OK)
}
