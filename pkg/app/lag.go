package app

import "github.com/myelin-hs/myelin/pkg/lag"

// lag is what this worker measures now. A role whose lag is not known is left out.
func (w *worker) lag() lag.Reading {
	r := lag.Reading{}
	if w.writes != nil {
		r[lag.Persister] = w.writes.Lag()
	}
	if w.sync != nil {
		if oldest, err := w.sync.Lag(); err == nil {
			r[lag.Sync] = lag.Lag{Oldest: oldest}
		}
	}
	return r
}
