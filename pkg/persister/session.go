package persister

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/position"
	"github.com/myelin-hs/myelin/pkg/postgres"
)

// A session is a lane's direct connection to Postgres. Only the committer uses it.
type session struct {
	source     *postgres.Source
	name       string // application_name, by which a takeover finds it
	leases     Leases
	worker     int64
	databaseID string
	conn       *pgx.Conn
	generation int64 // of the database when conn was made
}

// errFormer is of a former primary, or of a backup that is not the homeserver's database yet: what stands there counts
// no more.
var errFormer = errors.New("the server has an older generation of the database than is known")

// ready connects if the session is not connected, and makes sure that it is the same database as ever, for worker ids and
// epochs mean nothing in another one, and of no older generation than is known. A connection from before may lead to a
// former primary that lives on: there every block is refused, for ever.
func (s *session) ready(ctx context.Context) error {
	if s.conn != nil && !s.conn.IsClosed() && s.generation >= s.leases.Generation() {
		return nil
	}
	s.close(ctx)
	conn, err := s.source.Session(ctx, postgres.Options{ApplicationName: s.name, DatabaseID: s.databaseID})
	if err != nil {
		return fmt.Errorf("connect a lane: %w", err)
	}
	var generation int64
	err = conn.QueryRow(ctx, sqlGeneration).Scan(&generation)
	if err == nil && generation < s.leases.Generation() {
		err = errFormer
	}
	if err == nil {
		// A plan made while a table was empty must not scan it when it is full; and made once, it does for all: with arrays
		// as parameters Postgres would otherwise plan each block anew, at half of what its statements cost.
		_, err = conn.Exec(ctx, "SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan")
	}
	for _, sql := range []string{sqlBegin, sqlEvents, sqlRedactions, sqlDeltas, sqlState, sqlMemberships, sqlRooms, sqlDedupe} {
		if err == nil {
			_, err = conn.Prepare(ctx, sql, sql)
		}
	}
	if err != nil {
		_ = conn.Close(ctx)
		return fmt.Errorf("prepare a lane: %w", err)
	}
	s.conn, s.generation = conn, generation
	return nil
}

func (s *session) close(ctx context.Context) {
	if s.conn != nil {
		_ = s.conn.Close(ctx)
		s.conn = nil
	}
}

// commit sends the block as one pipeline, which is one transaction and one round trip. It returns nil only when the
// server has said that it is ready for the next one, which it says after COMMIT. What the server refuses for the block
// leaves the connection to the next one, for the pipeline is read to its end. After all other errors the next block goes
// to whom the address leads to then, over a connection that has forgotten what was prepared.
func (s *session) commit(ctx context.Context, b *block) error {
	if err := s.ready(ctx); err != nil {
		return fmt.Errorf("%w: %w", errNotSent, err)
	}
	b.generation = s.leases.Generation()
	results := s.conn.SendBatch(ctx, s.pipeline(b))
	begun := results.QueryRow().Scan(&b.number)
	closed := results.Close()
	err := errors.Join(begun, closed)
	if judge(err).verdict == notWritten {
		s.close(ctx)
	}
	return err
}

// resolve is pipeline.resolve. The order matters: what is looked for before the epochs are raised may still come.
func (s *session) resolve(ctx context.Context, b *block) (bool, error) {
	s.close(ctx)
	if _, err := s.leases.Raise(ctx, b.shards); err != nil {
		return false, fmt.Errorf("raise epochs: %w", err)
	}
	b.generation = s.leases.Generation()
	if err := s.ready(ctx); err != nil {
		return false, err
	}
	e := b.entries[0]
	var at int64
	err := s.conn.QueryRow(ctx, sqlLook, e.room.slot, string(e.ev.ID())).Scan(&at)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for an event: %w", err)
	}
	b.number = position.Position(at).Block()
	return true, nil
}

func (s *session) pipeline(b *block) *pgx.Batch {
	batch := &pgx.Batch{}
	shards, epochs := b.leases()
	c := columnsOf(b)
	batch.Queue(sqlBegin, s.worker, shards, epochs, b.generation, c.touched.rooms, c.touched.userShards)
	e := &c.events
	batch.Queue(sqlEvents, s.worker, e.slot, e.room, e.i, e.event, e.evType, e.stateKey, e.sender, e.depth, e.shard,
		e.epoch, e.device, e.txn, e.json)
	if r := &c.redactions; len(r.i) > 0 {
		batch.Queue(sqlRedactions, r.slot, r.room, r.event, r.i, r.json)
	}
	if d := &c.deltas; len(d.i) > 0 {
		batch.Queue(sqlDeltas, d.slot, d.room, d.evType, d.stateKey, d.i, d.event)
	}
	if s := &c.state; len(s.i) > 0 {
		batch.Queue(sqlState, s.room, s.evType, s.stateKey, s.i, s.event)
	}
	if m := &c.memberships; len(m.i) > 0 {
		batch.Queue(sqlMemberships, m.user, m.room, m.userShard, m.membership, m.i, m.event)
	}
	if r := &c.rooms; len(r.i) > 0 {
		batch.Queue(sqlRooms, r.room, r.slot, r.version, r.creator, r.i)
	}
	if k := &c.keys; len(k.txn) > 0 {
		batch.Queue(sqlDedupe, k.user, k.device, k.path, k.txn, k.event)
	}
	return batch
}

// keyColumns are deduplication keys as the database takes them.
type keyColumns struct {
	user, device []string
	path         [][]byte
	txn, event   []string
}

func (c *keyColumns) add(k dedupeKey, event id.EventID) {
	c.user = append(c.user, string(k.user))
	c.device = append(c.device, string(k.device))
	c.path = append(c.path, k.path[:])
	c.txn = append(c.txn, k.txn)
	c.event = append(c.event, string(event))
}
