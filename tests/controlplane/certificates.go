// A folder in, certificates, keys and kubeconfigs out. Nothing here outlives the bed.

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

const validity = 365 * 24 * time.Hour

// authority is a certificate authority that lives as long as one bed.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// writeCertificates fills a folder with the files that kubeadm would write, under the same names.
func writeCertificates(folder string) error {
	ca, err := writeAuthority(folder, "ca", "kubernetes")
	if err != nil {
		return err
	}
	frontProxy, err := writeAuthority(folder, "front-proxy-ca", "front-proxy-ca")
	if err != nil {
		return err
	}
	server := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	client := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	leaves := []struct {
		name   string
		signer *authority
		usage  []x509.ExtKeyUsage
		user   string
		group  string
	}{
		{"apiserver", ca, server, "kube-apiserver", ""},
		{"apiserver-kubelet-client", ca, client, "kube-apiserver-kubelet-client", "system:masters"},
		{"admin", ca, client, "kubernetes-admin", "system:masters"},
		{"controller-manager", ca, client, "system:kube-controller-manager", ""},
		{"scheduler", ca, client, "system:kube-scheduler", ""},
		{"front-proxy-client", frontProxy, client, "front-proxy-client", ""},
	}
	for _, leaf := range leaves {
		subject := pkix.Name{CommonName: leaf.user}
		if leaf.group != "" {
			subject.Organization = []string{leaf.group}
		}
		if err := leaf.signer.writeLeaf(folder, leaf.name, subject, leaf.usage); err != nil {
			return err
		}
	}
	return writeServiceAccountKey(folder)
}

func writeAuthority(folder, name, commonName string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template, err := certificateTemplate(pkix.Name{CommonName: commonName})
	if err != nil {
		return nil, err
	}
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	signed, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", name, err)
	}
	certificate, err := x509.ParseCertificate(signed)
	if err != nil {
		return nil, err
	}
	return &authority{certificate: certificate, key: key}, writePair(folder, name, signed, key)
}

func (a *authority) writeLeaf(folder, name string, subject pkix.Name, usage []x509.ExtKeyUsage) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template, err := certificateTemplate(subject)
	if err != nil {
		return err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = usage
	if usage[0] == x509.ExtKeyUsageServerAuth {
		template.DNSNames = []string{
			"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
		}
		template.IPAddresses = []net.IP{net.ParseIP(hostAddress), net.ParseIP(kubernetesService), net.ParseIP("127.0.0.1")}
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return fmt.Errorf("sign %s: %w", name, err)
	}
	return writePair(folder, name, signed, key)
}

func certificateTemplate(subject pkix.Name) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	// An hour back, so that clocks may differ a little.
	now := time.Now()
	return &x509.Certificate{SerialNumber: serial, Subject: subject, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(validity)}, nil
}

func writeServiceAccountKey(folder string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	if err := writePEM(filepath.Join(folder, "sa.pub"), "PUBLIC KEY", public, 0o644); err != nil {
		return err
	}
	return writeKey(filepath.Join(folder, "sa.key"), key)
}

func writePair(folder, name string, certificate []byte, key *ecdsa.PrivateKey) error {
	if err := writePEM(filepath.Join(folder, name+".crt"), "CERTIFICATE", certificate, 0o644); err != nil {
		return err
	}
	return writeKey(filepath.Join(folder, name+".key"), key)
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	text, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(path, "EC PRIVATE KEY", text, 0o600)
}

func writePEM(path, kind string, content []byte, mode os.FileMode) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), mode)
}

// writeKubeconfig writes a file that needs no other: certificates and key are inside.
func writeKubeconfig(path, pki, user string) error {
	inline := func(name string) (string, error) {
		content, err := os.ReadFile(filepath.Join(pki, name))
		return base64.StdEncoding.EncodeToString(content), err
	}
	ca, err := inline("ca.crt")
	if err != nil {
		return err
	}
	certificate, err := inline(user + ".crt")
	if err != nil {
		return err
	}
	key, err := inline(user + ".key")
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- name: controlplane
  cluster:
    server: %s
    certificate-authority-data: %s
users:
- name: %s
  user:
    client-certificate-data: %s
    client-key-data: %s
contexts:
- name: controlplane
  context:
    cluster: controlplane
    user: %s
current-context: controlplane
`, apiURL, ca, user, certificate, key, user)), 0o600)
}
