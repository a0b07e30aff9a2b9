package horizon

import (
	"context"
	"fmt"
	"time"
)

const (
	pruneEvery = time.Hour
	keepBlocks = 3 * 24 * time.Hour
	pruneBatch = 1000
)

// deleteOldBlocks looks at the lowest blocks only, which are the oldest but for transactions that overlapped.
const deleteOldBlocks = `
WITH lowest AS (SELECT block, committed_at FROM stream_block ORDER BY block LIMIT $1)
DELETE FROM stream_block b USING lowest
WHERE b.block = lowest.block AND lowest.committed_at < clock_timestamp() - $2::interval`

// pruneRegularly keeps the tables that grow with time bounded, while this worker announces.
func (a *Announcer) pruneRegularly(ctx context.Context) {
	for ctx.Err() == nil {
		if err := a.prune(ctx); err != nil && ctx.Err() == nil {
			a.cfg.Log.WarnContext(ctx, "pruning failed", "error", err)
		}
		sleep(ctx, pruneEvery)
	}
}

func (a *Announcer) pruneOnce(ctx context.Context) error {
	for {
		tag, err := a.cfg.Pool.Exec(ctx, deleteOldBlocks, pruneBatch, keepBlocks)
		if err != nil {
			return fmt.Errorf("delete old blocks: %w", err)
		}
		if tag.RowsAffected() < pruneBatch {
			break
		}
	}
	if _, err := a.cfg.Pool.Exec(ctx, `SELECT request_dedupe_rotate()`); err != nil {
		return fmt.Errorf("rotate the deduplication keys: %w", err)
	}
	return nil
}
