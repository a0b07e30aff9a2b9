package bus

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnotherVersionIsDropped(t *testing.T) {
	t.Parallel()
	msg := Horizon{P: 1}.encode()
	_, ok := decodeHorizon(msg)
	require.True(t, ok)
	msg[0]++
	_, ok = decodeHorizon(msg)
	require.False(t, ok)
	_, ok = decodeRoomBlock(nil)
	require.False(t, ok)
}

func FuzzDecode(f *testing.F) {
	f.Add(Horizon{Prev: 1, P: 2, Blocks: []BlockIndex{{Block: 3, Rooms: []uint64{1}, UserShards: []uint16{2}, Revoked: [][]byte{{3}}}}}.encode())
	f.Add(RoomBlock{Block: 1, RoomID: "!r", Events: []RoomEvent{{Position: 1, JSON: []byte("{}")}}}.encode())
	f.Add(UserBlock{Block: 1, Items: []UserItem{{UserID: "@a"}}}.encode())
	f.Fuzz(func(t *testing.T, msg []byte) {
		if h, ok := decodeHorizon(msg); ok {
			again, ok := decodeHorizon(h.encode())
			require.True(t, ok)
			require.Equal(t, h, again)
		}
		decodeRoomBlock(msg)
		decodeUserBlock(msg)
	})
}
