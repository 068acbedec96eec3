package peer

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Database is an empty database on a PostgreSQL server of the test process.
type Database struct {
	// DSN connects as the owner of the database, who is held back by row-level security.
	DSN string
	// AdminDSN connects to the same database as a superuser.
	AdminDSN string

	name string
}

// Postgres gives a fresh database, dropped when the test ends. The first call
// starts a server, which all tests of the process share and which ends with the
// process, however it ends. Nothing of it is durable. It listens on a socket in its
// own folder, not on the network.
func Postgres(t testing.TB) Database {
	t.Helper()
	server, err := sharedServer()
	if errors.Is(err, errNoPostgres) {
		t.Skipf("%v", err)
	}
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	return server.create(t, "")
}

// Copy gives a database with what is in this one, to which nobody may be connected
// meanwhile.
func (d Database) Copy(t testing.TB) Database {
	t.Helper()
	server, err := sharedServer()
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	return server.create(t, " TEMPLATE "+d.name)
}

// create makes a database, which is dropped when the test ends.
func (s *postgresServer) create(t testing.TB, how string) Database {
	t.Helper()
	name := fmt.Sprintf("test_%d", s.databases.Add(1))
	s.admin(t, "CREATE DATABASE "+name+" OWNER lotse"+how)
	t.Cleanup(func() { s.admin(t, "DROP DATABASE "+name+" WITH (FORCE)") })
	return Database{DSN: s.dsn("lotse", name), AdminDSN: s.dsn("postgres", name), name: name}
}

var errNoPostgres = errors.New("PostgreSQL is not installed")

// sharedServer is the server of this process: starting one takes two seconds.
var sharedServer = sync.OnceValues(startPostgres)

type postgresServer struct {
	folder    string // holds the socket
	databases atomic.Int64
}

// postgresScript makes a cluster, runs it, and ends it when standard input closes:
// when the process that holds the other end is gone, killed or not.
const postgresScript = `
bin=$1; dir=$2
"$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$dir/log" 2>&1 || exit 1
"$bin/postgres" -D "$dir/data" -k "$dir" -c listen_addresses= -c fsync=off -c full_page_writes=off \
  -c max_connections=200 -c shared_buffers=32MB -c autovacuum_naptime=5 >>"$dir/log" 2>&1 &
pid=$!
read -r _
kill -INT $pid
wait $pid
cd / && rm -rf "$dir"
`

func startPostgres() (*postgresServer, error) {
	bin, err := postgresPrograms()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "lotse-pg-")
	if err != nil {
		return nil, err
	}
	args := []string{"sh", "-c", postgresScript, "sh", bin, dir}
	if os.Getuid() == 0 { // it refuses to run as root
		if err := giveToPostgres(dir); err != nil {
			return nil, err
		}
		args = append([]string{"setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"}, args...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt at the terminal is for the test
	if _, err := cmd.StdinPipe(); err != nil {            // stays open until this process ends
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	server := &postgresServer{folder: dir}
	if err := server.await(cmd); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		return nil, fmt.Errorf("%w\n%s", err, log)
	}
	return server, nil
}

// postgresPrograms finds the folder of initdb and postgres; Debian keeps them out
// of the path.
func postgresPrograms() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", errNoPostgres
	}
	return filepath.Dir(found[len(found)-1]), nil
}

func giveToPostgres(dir string) error {
	account, err := user.Lookup("postgres")
	if err != nil {
		return fmt.Errorf("%w: %w", errNoPostgres, err)
	}
	var uid, gid int
	if _, err := fmt.Sscan(account.Uid+" "+account.Gid, &uid, &gid); err != nil {
		return fmt.Errorf("ids of the account postgres: %w", err)
	}
	return os.Chown(dir, uid, gid)
}

// await waits until the server answers and makes the role of the tests.
func (s *postgresServer) await(cmd *exec.Cmd) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.run(ctx, "CREATE ROLE lotse LOGIN NOSUPERUSER NOBYPASSRLS")
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case e := <-ended:
			return fmt.Errorf("the server has ended: %w", e)
		case <-ctx.Done():
			return err
		}
	}
}

func (s *postgresServer) dsn(role, database string) string {
	u := url.URL{Scheme: "postgres", User: url.User(role), Path: "/" + database, RawQuery: url.Values{"host": {s.folder}}.Encode()}
	return u.String()
}

func (s *postgresServer) run(ctx context.Context, statement string) error {
	conn, err := pgx.Connect(ctx, s.dsn("postgres", "postgres"))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}

func (s *postgresServer) admin(t testing.TB, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.run(ctx, statement); err != nil {
		t.Errorf("%s: %v", strings.Fields(statement)[0], err)
	}
}
