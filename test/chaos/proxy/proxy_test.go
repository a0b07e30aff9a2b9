package proxy_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
	"github.com/myelin-hs/myelin/test/chaos/proxy"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// echo answers each line with itself.
func echo(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); _ = c.Close() }()
		}
	}()
	return l.Addr().String()
}

func TestCutsLoseNothingOnceHealed(t *testing.T) {
	t.Parallel()
	p, err := proxy.Listen(echo(t))
	require.NoError(t, err)
	t.Cleanup(p.Close)
	c, err := net.Dial("tcp", p.Addr())
	require.NoError(t, err)
	defer c.Close()
	lines := bufio.NewReader(c)
	for name, cut := range map[string]func(){"both": p.Cut, "to the server": p.CutToServer, "to the client": p.CutToClient} {
		cut()
		_, err = io.WriteString(c, name+"\n")
		require.NoError(t, err)
		require.NoError(t, c.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
		_, err = lines.ReadString('\n')
		require.ErrorIs(t, err, os.ErrDeadlineExceeded, name)
		p.Heal()
		require.NoError(t, c.SetReadDeadline(time.Now().Add(time.Minute)))
		got, err := lines.ReadString('\n')
		require.NoError(t, err, name)
		require.Equal(t, name+"\n", got)
	}
	p.Reset()
	_, err = lines.ReadString('\n')
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
}

func TestRefusedUntilHealed(t *testing.T) {
	t.Parallel()
	p, err := proxy.Listen(echo(t))
	require.NoError(t, err)
	t.Cleanup(p.Close)
	say := func(c net.Conn) error {
		t.Cleanup(func() { _ = c.Close() })
		require.NoError(t, c.SetDeadline(time.Now().Add(time.Minute)))
		if _, err := io.WriteString(c, "x\n"); err != nil {
			return err
		}
		_, err := bufio.NewReader(c).ReadString('\n')
		return err
	}
	before, err := net.Dial("tcp", p.Addr())
	require.NoError(t, err)
	require.NoError(t, say(before))
	p.Refuse()
	require.ErrorIs(t, say(before), syscall.ECONNRESET, "a reset, not an end")
	during, err := net.Dial("tcp", p.Addr())
	if err == nil {
		err = say(during)
	}
	require.ErrorIs(t, err, syscall.ECONNRESET)
	p.Heal()
	after, err := net.Dial("tcp", p.Addr())
	require.NoError(t, err)
	require.NoError(t, say(after))
}

func TestDelayedBothWays(t *testing.T) {
	t.Parallel()
	p, err := proxy.Listen(echo(t))
	require.NoError(t, err)
	t.Cleanup(p.Close)
	c, err := net.Dial("tcp", p.Addr())
	require.NoError(t, err)
	defer c.Close()
	p.Break(proxy.Fault{Delay: 30 * time.Millisecond})
	began := time.Now()
	_, err = io.WriteString(c, "x\n")
	require.NoError(t, err)
	_, err = bufio.NewReader(c).ReadString('\n')
	require.NoError(t, err)
	require.GreaterOrEqual(t, time.Since(began), 60*time.Millisecond)
}

func TestAimedElsewhere(t *testing.T) {
	t.Parallel()
	nowhere, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, nowhere.Close())
	p, err := proxy.Listen(nowhere.Addr().String())
	require.NoError(t, err)
	t.Cleanup(p.Close)
	c, err := net.Dial("tcp", p.Addr())
	if err == nil {
		defer c.Close()
		_, err = c.Read(make([]byte, 1))
	}
	require.ErrorIs(t, err, syscall.ECONNRESET)
	p.Aim(echo(t))
	c, err = net.Dial("tcp", p.Addr())
	require.NoError(t, err)
	defer c.Close()
	_, err = io.WriteString(c, "x\n")
	require.NoError(t, err)
	_, err = c.Read(make([]byte, 1))
	require.NoError(t, err)
}

// lane is a session that looks like a persister's, through a proxy, and one beside it that looks at the table.
func lane(t *testing.T) (p *proxy.Proxy, through, beside *pgx.Conn) {
	uri := pgtest.NewEmpty(t)
	cfg, err := pgx.ParseConfig(uri)
	require.NoError(t, err)
	p, err = proxy.ListenPostgres(cfg.Host + ":" + uri[strings.LastIndex(uri, ":")+1:strings.LastIndex(uri, "/")])
	require.NoError(t, err)
	t.Cleanup(p.Close)
	beside, err = pgx.ConnectConfig(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = beside.Close(context.WithoutCancel(t.Context())) })
	_, err = beside.Exec(t.Context(), "CREATE TABLE x (n integer)")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(p.Addr())
	require.NoError(t, err)
	through, err = pgx.Connect(t.Context(), strings.Replace(uri, uri[strings.LastIndex(uri, ":")+1:strings.LastIndex(uri, "/")], port, 1)+"&application_name=myelin-17")
	require.NoError(t, err)
	t.Cleanup(func() { _ = through.Close(context.WithoutCancel(t.Context())) })
	return p, through, beside
}

func TestOneKindOfSessionIsCut(t *testing.T) {
	t.Parallel()
	p, through, _ := lane(t)
	cfg := through.Config().Copy()
	cfg.RuntimeParams["application_name"] = "myelin-lease"
	leases, err := pgx.ConnectConfig(t.Context(), cfg)
	require.NoError(t, err)
	defer leases.Close(context.WithoutCancel(t.Context()))
	p.Break(proxy.Fault{ToServer: true, ToClient: true, Only: []proxy.Kind{proxy.Leases}})
	done := make(chan error, 1)
	go func() { done <- leases.Ping(t.Context()) }()
	require.NoError(t, block(t.Context(), through))
	select {
	case <-done:
		t.Fatal("the other kind is not cut")
	default:
	}
	p.Heal()
	require.NoError(t, <-done)
}

func block(ctx context.Context, c *pgx.Conn) error {
	b := &pgx.Batch{}
	b.Queue("INSERT INTO x VALUES ($1)", 1)
	b.Queue("INSERT INTO x VALUES ($1)", 2)
	return c.SendBatch(ctx, b).Close()
}

func count(t *testing.T, c *pgx.Conn) (n int) {
	require.NoError(t, c.QueryRow(t.Context(), "SELECT count(*) FROM x").Scan(&n))
	return n
}

func TestHeldCommit(t *testing.T) {
	t.Parallel()
	p, through, beside := lane(t)
	held := p.HoldCommit()
	done := make(chan error, 1)
	go func() { done <- block(t.Context(), through) }()
	<-held.Held
	require.Zero(t, count(t, beside))
	require.Eventually(t, func() bool { // its statements have run: the table is locked
		var n int
		require.NoError(t, beside.QueryRow(t.Context(), "SELECT count(*) FROM pg_locks WHERE relation = 'x'::regclass AND mode = 'RowExclusiveLock'").Scan(&n))
		return n == 1
	}, time.Minute, time.Millisecond)
	held.Release()
	require.NoError(t, <-done)
	require.Equal(t, 2, count(t, beside))
}

func TestCutAtCommit(t *testing.T) {
	t.Parallel()
	p, through, beside := lane(t)
	cut := p.CutAtCommit()
	require.Error(t, block(t.Context(), through), "nobody is told")
	<-cut.Held
	require.Eventually(t, func() bool { return count(t, beside) == 2 }, time.Minute, time.Millisecond, "but it is done")
}

func TestWedgedLane(t *testing.T) {
	t.Parallel()
	p, through, beside := lane(t)
	p.Wedge()
	done := make(chan error, 1)
	go func() { done <- block(t.Context(), through) }()
	require.Zero(t, count(t, beside))
	p.Heal()
	require.NoError(t, <-done)
	require.Equal(t, 2, count(t, beside))
}
