// A command in, its exit code out; around it the life of a control plane. It leaves nothing behind but the logs.

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

const (
	// What `run` returns when the bed itself failed, as env(1) and others do; everything else is the command's own exit code.
	bedFailed = 125
	// From the start of etcd until everything answers. It takes five seconds on two busy cores.
	startTimeout = 3 * time.Minute
	// What the command leaves behind has this long to end by itself.
	endTimeout = 5 * time.Second
)

const runUsage = `usage: start [--logs DIR] [--audit-log FILE] [--bare] [--] COMMAND [ARGUMENT...]

Starts etcd, kube-apiserver, kube-controller-manager and kube-scheduler, runs the command, and ends everything with it.

  --logs DIR        keep one log per server in DIR, and DIR/environment and DIR/pid while it runs (for ./enter)
  --audit-log FILE  write an audit log (level Metadata, JSON lines)
  --bare            start no server: the command brings its own, and writes the file KUBECONFIG

The command finds KUBECONFIG (administrator), CONTROLPLANE_DIR (pki/ and kubeconfigs), and kubectl in its PATH.
KUBE_APISERVER_FLAGS, KUBE_CONTROLLER_MANAGER_FLAGS, KUBE_SCHEDULER_FLAGS and ETCD_FLAGS add flags.
`

// bed is one running control plane.
type bed struct {
	work    string
	logs    string
	client  *http.Client
	servers map[int]bool
	signals chan os.Signal
	ended   chan error
}

// run is the whole life of a bed: arguments in, exit code of the command out.
func run(arguments []string) int {
	// The kernel ends the servers with the thread that started them.
	runtime.LockOSThread()
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	flags.Usage = func() { fmt.Fprint(os.Stderr, runUsage) }
	logs := flags.String("logs", "", "")
	auditLog := flags.String("audit-log", "", "")
	bare := flags.Bool("bare", false, "")
	if err := flags.Parse(arguments); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return bedFailed
	}
	if flags.NArg() == 0 {
		flags.Usage()
		return bedFailed
	}
	code, err := runBed(*logs, *auditLog, *bare, flags.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "controlplane:", err)
		return bedFailed
	}
	return code
}

func runBed(logs, auditLog string, bare bool, command []string) (code int, err error) {
	if err := makeNetwork(); err != nil {
		return 0, err
	}
	work, err := os.MkdirTemp("", "controlplane-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	if logs == "" {
		logs = work
	}
	if logs, err = filepath.Abs(logs); err != nil {
		return 0, err
	}
	if err := os.MkdirAll(logs, 0o755); err != nil {
		return 0, err
	}
	if auditLog != "" {
		if auditLog, err = filepath.Abs(auditLog); err != nil {
			return 0, err
		}
	}
	bed := &bed{work: work, logs: logs, servers: map[int]bool{}, signals: make(chan os.Signal, 8), ended: make(chan error, 8)}
	signal.Notify(bed.signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	// What the command leaves behind becomes our child instead of init's, so that it can be found and ended.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return 0, fmt.Errorf("become the reaper of orphans: %w", err)
	}
	defer func() { endDescendants(bed.servers, endTimeout) }()
	// A killed bed leaves its marks behind.
	bed.removeMarks()
	if !bare {
		if err := bed.start(auditLog); err != nil {
			return 0, err
		}
	}
	defer bed.removeMarks()
	if err := bed.writeMarks(); err != nil {
		return 0, err
	}
	return bed.runCommand(command)
}

// start returns when all four servers answer and pods can be created in the namespace `default`.
func (b *bed) start(auditLog string) error {
	started := time.Now()
	if err := writeConfiguration(b.work); err != nil {
		return err
	}
	if err := serveKubernetesService(); err != nil {
		return err
	}
	if err := b.makeClient(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	stages := []struct {
		servers []server
		ready   []string
	}{
		{[]server{etcdServer(b.work)}, []string{etcdURL + "/readyz"}},
		{[]server{apiServer(b.work, auditLog)}, []string{apiURL + "/readyz"}},
		{[]server{controllerManagerServer(b.work), schedulerServer(b.work)}, []string{
			controllerManagerURL + "/healthz",
			schedulerURL + "/healthz",
			// Written by the controller manager; without it the API server refuses pods.
			apiURL + "/api/v1/namespaces/default/serviceaccounts/default",
		}},
	}
	for _, stage := range stages {
		for _, server := range stage.servers {
			if err := b.launch(server); err != nil {
				return err
			}
		}
		for _, url := range stage.ready {
			if err := b.await(ctx, url); err != nil {
				return err
			}
		}
	}
	fmt.Fprintf(os.Stderr, "controlplane: ready after %.1f s\n", time.Since(started).Seconds())
	return nil
}

func (b *bed) makeClient() error {
	pki := filepath.Join(b.work, "pki")
	certificate, err := tls.LoadX509KeyPair(filepath.Join(pki, "admin.crt"), filepath.Join(pki, "admin.key"))
	if err != nil {
		return err
	}
	ca, err := os.ReadFile(filepath.Join(pki, "ca.crt"))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	b.client = &http.Client{
		Timeout: 5 * time.Second,
		// No proxy from the environment: it is not in this namespace.
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{certificate}}},
	}
	return nil
}

// launch starts a server in a process group of its own, so that an interrupt from the terminal reaches the command only.
func (b *bed) launch(server server) error {
	log, err := os.Create(b.logOf(server.name))
	if err != nil {
		return err
	}
	defer log.Close()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	// By its link, so that process lists show the server's name.
	process := exec.Command(filepath.Join(filepath.Dir(self), server.name), server.arguments...)
	process.Env = environment()
	process.Stdout, process.Stderr = log, log
	process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := process.Start(); err != nil {
		return fmt.Errorf("start %s: %w", server.name, err)
	}
	b.servers[process.Process.Pid] = true
	go func() {
		b.ended <- fmt.Errorf("%s ended (%w); the end of its log:\n%s", server.name, orEnd(process.Wait()), b.endOfLog(server.name))
	}()
	return nil
}

func orEnd(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

func (b *bed) logOf(name string) string { return filepath.Join(b.logs, name+".log") }

func (b *bed) endOfLog(name string) string {
	const bytes = 4096
	log, err := os.Open(b.logOf(name))
	if err != nil {
		return err.Error()
	}
	defer log.Close()
	if _, err := log.Seek(-bytes, io.SeekEnd); err != nil {
		_, _ = log.Seek(0, io.SeekStart)
	}
	text, _ := io.ReadAll(log)
	return string(text)
}

// await returns when the URL answers 200.
func (b *bed) await(ctx context.Context, url string) error {
	last := "no answer"
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if response, err := b.client.Do(request); err != nil {
			last = err.Error()
		} else {
			body, _ := io.ReadAll(io.LimitReader(response.Body, 2048))
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
			last = response.Status + " " + string(body)
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case err := <-b.ended:
			return err
		case got := <-b.signals:
			return fmt.Errorf("%s while starting", got)
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready after %s: %s", url, startTimeout, last)
		}
	}
}

// The files in the folder of logs that tell `enter` how to come in. They are there while the command runs. The process id comes last:
// who waits for it finds both.
const (
	environmentMark = "environment"
	processMark     = "pid"
)

func (b *bed) writeMarks() error {
	var text strings.Builder
	for _, assignment := range b.marks() {
		name, value, _ := strings.Cut(assignment, "=")
		fmt.Fprintf(&text, "export %s='%s'\n", name, strings.ReplaceAll(value, "'", `'\''`))
	}
	if err := os.WriteFile(filepath.Join(b.logs, environmentMark), []byte(text.String()), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.logs, processMark), []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600)
}

func (b *bed) removeMarks() {
	_ = os.Remove(filepath.Join(b.logs, processMark))
	_ = os.Remove(filepath.Join(b.logs, environmentMark))
}

func (b *bed) marks() []string {
	self, _ := os.Executable()
	return []string{
		"KUBECONFIG=" + filepath.Join(b.work, "admin.kubeconfig"),
		"CONTROLPLANE_DIR=" + b.work,
		"PATH=" + filepath.Dir(self) + ":" + os.Getenv("PATH"),
	}
}

// environment is ours without proxies: they cannot be reached from here, and clients would look for the API server behind them.
func environment() []string {
	var kept []string
	for _, assignment := range os.Environ() {
		name, _, _ := strings.Cut(assignment, "=")
		switch strings.ToUpper(name) {
		case "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY":
		default:
			kept = append(kept, assignment)
		}
	}
	return kept
}

// runCommand returns the exit code of the command, or an error if a server ended before it.
func (b *bed) runCommand(command []string) (int, error) {
	marks := append(environment(), b.marks()...)
	path, err := lookIn(marks, command[0])
	if err != nil {
		return 0, err
	}
	process := exec.Command(path, command[1:]...)
	process.Args[0] = command[0]
	process.Env = marks
	process.Stdin, process.Stdout, process.Stderr = os.Stdin, os.Stdout, os.Stderr
	process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := process.Start(); err != nil {
		return 0, err
	}
	done := make(chan error, 1)
	go func() { done <- process.Wait() }()
	for {
		select {
		case got := <-b.signals:
			// The terminal has sent its interrupt to the command already.
			if got != syscall.SIGINT || !term.IsTerminal(int(os.Stdin.Fd())) {
				_ = process.Process.Signal(got)
			}
		case err := <-b.ended:
			return 0, err
		case <-done:
			status := process.ProcessState.Sys().(syscall.WaitStatus)
			if status.Signaled() {
				return 128 + int(status.Signal()), nil
			}
			return status.ExitStatus(), nil
		}
	}
}

// lookIn finds a program in the PATH that the program will see: kubectl is in ours only.
func lookIn(environment []string, name string) (string, error) {
	for _, assignment := range environment {
		if value, found := strings.CutPrefix(assignment, "PATH="); found {
			if err := os.Setenv("PATH", value); err != nil {
				return "", err
			}
		}
	}
	return exec.LookPath(name)
}
