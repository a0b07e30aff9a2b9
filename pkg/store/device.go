package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/myelin-hs/myelin/pkg/id"
)

// A Device is one that the user is logged in with.
type Device struct {
	ID          id.DeviceID
	DisplayName string
}

// maxDevices bounds one answer; the newest come first.
const maxDevices = 1000

const (
	sqlDevices = `
SELECT device_id, display_name FROM device WHERE user_id = $1 ORDER BY created_at DESC, device_id LIMIT $2`
	sqlDevice = `SELECT device_id, display_name FROM device WHERE user_id = $1 AND device_id = $2`
)

// Devices returns the newest of the user's devices, at most 1,000.
func (s *Store) Devices(ctx context.Context, user id.UserID) ([]Device, error) {
	return s.devices(ctx, sqlDevices, user, maxDevices)
}

// Device returns one of the user's devices; false if there is no such.
func (s *Store) Device(ctx context.Context, user id.UserID, device id.DeviceID) (Device, bool, error) {
	found, err := s.devices(ctx, sqlDevice, user, device)
	if err != nil || len(found) == 0 {
		return Device{}, false, err
	}
	return found[0], true, nil
}

func (s *Store) devices(ctx context.Context, sql string, args ...any) ([]Device, error) {
	rows, err := s.db.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("read devices: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Device])
	if err != nil {
		return nil, fmt.Errorf("read devices: %w", err)
	}
	return found, nil
}
