package bus

import (
	"encoding/hex"
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

// Builds that follow each other work side by side: one understands what the other says, or a new channel is needed.
func TestTheIndexIsWhatTheBuildBeforeSays(t *testing.T) {
	t.Parallel()
	h := Horizon{Generation: 1, Prev: 5<<10 | 1023, P: 8<<10 | 1023, Blocks: []BlockIndex{
		{Block: 7, Rooms: []uint64{0x0807060504030201}, UserShards: []uint16{3}}, {Block: 8, Revoked: [][]byte{{9}}},
	}}
	const said = "0102fe5ffe8f0104" + "0402" + "0102030405060708" + "020600" + "02000002" + "0209"
	require.Equal(t, said, hex.EncodeToString(h.encode()))
	heard, ok := decodeHorizon(h.encode())
	require.True(t, ok)
	require.Equal(t, h, heard)
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
