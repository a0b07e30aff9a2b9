package clientapi

import (
	"context"

	"github.com/myelin-hs/myelin/pkg/position"
	"github.com/myelin-hs/myelin/pkg/store"
)

const (
	defaultPage = 10
	maxPage     = 500

	// What one request reads at most: a page ends early, and says where, rather than go on.
	scanBatch    = 100     // rows a query
	scanBatches  = 20      // queries
	maxPageBytes = 4 << 20 // of events
)

// A pageRequest asks for events on one side of a gap between two events; a gap is named by the position before it.
type pageRequest struct {
	from     position.Position
	until    position.Position // the gap to stop at
	backward bool
	limit    int // at least 1
	filter   *eventFilter
}

// A page is a run of a room's events, in the order asked for.
type page struct {
	events []store.Event
	// end is the gap after the last event that was looked at.
	end position.Position
	// more is whether there may be further events beyond it.
	more bool
}

// page reads events that the view lets its user see and the filter picks.
func (a *API) page(ctx context.Context, v view, q pageRequest) (page, error) {
	p := page{end: min(q.from, v.upTo)}
	size := 0
	for range scanBatches {
		batch, err := a.scan(ctx, v, q, p.end)
		if err != nil {
			return page{}, err
		}
		b, err := a.beholder(ctx, v, batch)
		if err != nil {
			return page{}, err
		}
		for i, e := range batch {
			if q.filter.wants(e) && b.sees(e) {
				p.events = append(p.events, e)
				size += len(e.JSON())
			}
			p.end = e.Position
			if q.backward {
				p.end--
			}
			if len(p.events) == q.limit || size >= maxPageBytes {
				p.more = i < len(batch)-1 || len(batch) == scanBatch
				return p, nil
			}
		}
		if len(batch) < scanBatch {
			return p, nil
		}
	}
	p.more = true
	return p, nil
}

func (a *API) scan(ctx context.Context, v view, q pageRequest, from position.Position) ([]store.Event, error) {
	if q.backward {
		return a.store.EventsBackward(ctx, v.room, q.until, from, scanBatch)
	}
	return a.store.EventsForward(ctx, v.room, from, min(q.until, v.upTo), scanBatch)
}
