// A work folder in, the servers with their flags and configuration files out. It starts nothing.

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const (
	apiPort = "6443"
	apiURL  = "https://" + hostAddress + ":" + apiPort
	// Plain and on loopback: only this namespace can reach it.
	etcdURL = "http://127.0.0.1:2379"
	// Large, because the default of 2 GiB ends a long benchmark.
	etcdQuotaBytes = 8 << 30
	// The audit log is never rotated: a benchmark counts its lines.
	auditLogMegabytes = 1 << 20

	controllerManagerURL = "https://127.0.0.1:10257"
	schedulerURL         = "https://127.0.0.1:10259"
)

// server is one part with its arguments. Each may be extended by an environment variable, so that a test can set a gate or shorten a grace period.
type server struct {
	name      string
	arguments []string
}

// extended adds the words of the environment variable, for example KUBE_APISERVER_FLAGS, behind ours: the last one wins.
func extended(name string, arguments ...string) server {
	variable := strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "_FLAGS"
	return server{name: name, arguments: append(arguments, strings.Fields(os.Getenv(variable))...)}
}

func etcdServer(work string) server {
	return extended("etcd",
		"--data-dir="+filepath.Join(work, "etcd"),
		// Nothing here outlives the machine, so nothing waits for its disk.
		"--unsafe-no-fsync=true",
		"--listen-client-urls="+etcdURL,
		"--advertise-client-urls="+etcdURL,
		"--listen-peer-urls=http://127.0.0.1:2380",
		"--initial-advertise-peer-urls=http://127.0.0.1:2380",
		"--initial-cluster=default=http://127.0.0.1:2380",
		fmt.Sprintf("--quota-backend-bytes=%d", etcdQuotaBytes),
		"--log-level=warn",
	)
}

func apiServer(work, auditLog string) server {
	pki := filepath.Join(work, "pki")
	arguments := []string{
		"--etcd-servers=" + etcdURL,
		"--bind-address=" + hostAddress,
		"--advertise-address=" + hostAddress,
		"--secure-port=" + apiPort,
		"--tls-cert-file=" + filepath.Join(pki, "apiserver.crt"),
		"--tls-private-key-file=" + filepath.Join(pki, "apiserver.key"),
		"--client-ca-file=" + filepath.Join(pki, "ca.crt"),
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true",
		"--service-cluster-ip-range=" + serviceRange,
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + filepath.Join(pki, "sa.pub"),
		"--service-account-signing-key-file=" + filepath.Join(pki, "sa.key"),
		"--kubelet-client-certificate=" + filepath.Join(pki, "apiserver-kubelet-client.crt"),
		"--kubelet-client-key=" + filepath.Join(pki, "apiserver-kubelet-client.key"),
		"--kubelet-preferred-address-types=InternalIP",
		"--requestheader-client-ca-file=" + filepath.Join(pki, "front-proxy-ca.crt"),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + filepath.Join(pki, "front-proxy-client.crt"),
		"--proxy-client-key-file=" + filepath.Join(pki, "front-proxy-client.key"),
		// Webhooks and aggregated APIs are called at the addresses of their pods, for there is no kube-proxy.
		"--enable-aggregator-routing=true",
	}
	if auditLog != "" {
		arguments = append(arguments,
			"--audit-log-path="+auditLog,
			"--audit-policy-file="+filepath.Join(work, "audit-policy.yaml"),
			fmt.Sprintf("--audit-log-maxsize=%d", auditLogMegabytes),
		)
	}
	return extended("kube-apiserver", arguments...)
}

func controllerManagerServer(work string) server {
	pki := filepath.Join(work, "pki")
	kubeconfig := filepath.Join(work, "controller-manager.kubeconfig")
	return extended("kube-controller-manager",
		"--kubeconfig="+kubeconfig,
		"--authentication-kubeconfig="+kubeconfig,
		"--authorization-kubeconfig="+kubeconfig,
		"--bind-address=127.0.0.1",
		"--tls-cert-file="+filepath.Join(pki, "apiserver.crt"),
		"--tls-private-key-file="+filepath.Join(pki, "apiserver.key"),
		"--leader-elect=false",
		"--use-service-account-credentials=true",
		"--root-ca-file="+filepath.Join(pki, "ca.crt"),
		"--service-account-private-key-file="+filepath.Join(pki, "sa.key"),
		"--cluster-signing-cert-file="+filepath.Join(pki, "ca.crt"),
		"--cluster-signing-key-file="+filepath.Join(pki, "ca.key"),
		"--service-cluster-ip-range="+serviceRange,
		// The default of 20 requests a second would be what a benchmark measures.
		"--kube-api-qps=2000",
		"--kube-api-burst=4000",
		"--concurrent-statefulset-syncs=20",
	)
}

func schedulerServer(work string) server {
	pki := filepath.Join(work, "pki")
	kubeconfig := filepath.Join(work, "scheduler.kubeconfig")
	return extended("kube-scheduler",
		"--config="+filepath.Join(work, "scheduler.yaml"),
		"--authentication-kubeconfig="+kubeconfig,
		"--authorization-kubeconfig="+kubeconfig,
		"--bind-address=127.0.0.1",
		"--tls-cert-file="+filepath.Join(pki, "apiserver.crt"),
		"--tls-private-key-file="+filepath.Join(pki, "apiserver.key"),
	)
}

// writeConfiguration writes what the servers read: certificates, kubeconfigs, the scheduler's configuration, the audit policy.
func writeConfiguration(work string) error {
	pki := filepath.Join(work, "pki")
	if err := os.MkdirAll(pki, 0o700); err != nil {
		return err
	}
	if err := writeCertificates(pki); err != nil {
		return fmt.Errorf("write certificates: %w", err)
	}
	for _, user := range []string{"admin", "controller-manager", "scheduler"} {
		if err := writeKubeconfig(filepath.Join(work, user+".kubeconfig"), pki, user); err != nil {
			return fmt.Errorf("write the kubeconfig of %s: %w", user, err)
		}
	}
	scheduler := fmt.Sprintf(`apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
leaderElection:
  leaderElect: false
clientConnection:
  kubeconfig: %q
  qps: 2000
  burst: 4000
`, filepath.Join(work, "scheduler.kubeconfig"))
	if err := os.WriteFile(filepath.Join(work, "scheduler.yaml"), []byte(scheduler), 0o600); err != nil {
		return err
	}
	policy := `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
`
	return os.WriteFile(filepath.Join(work, "audit-policy.yaml"), []byte(policy), 0o600)
}
