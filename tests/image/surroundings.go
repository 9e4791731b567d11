// Command surroundings is what a pod finds: a DNS on UDP port 53 of the loopback that answers every name with 127.0.0.1, and an API server behind TLS on port 443
// with a certificate for kubernetes.default.svc. The certificate of its authority goes to CA_FILE; what comes in by TLS is handed to ADDRESS in plain text.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"os"
	"time"
)

const (
	headerLength = 12
	typeA        = 1
)

// answer makes a response of a query with one question (RFC 1035, section 4.1): its header and question, and an address if one was asked for.
func answer(query []byte) []byte {
	if len(query) < headerLength {
		return nil
	}
	end := headerLength
	for end < len(query) && query[end] != 0 {
		end += int(query[end]) + 1
	}
	end += 5
	if end > len(query) {
		return nil
	}
	response := append([]byte{}, query[:end]...)
	binary.BigEndian.PutUint16(response[2:], 0x8180)
	binary.BigEndian.PutUint16(response[4:], 1)
	clear(response[6:headerLength])
	if binary.BigEndian.Uint16(query[end-4:]) == typeA {
		binary.BigEndian.PutUint16(response[6:], 1)
		// The name of the question, class IN, for a minute, four bytes.
		response = append(response, 0xc0, headerLength, 0, typeA, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1)
	}
	return response
}

func serveNames() error {
	socket, err := net.ListenPacket("udp", "127.0.0.1:53")
	if err != nil {
		return err
	}
	fmt.Println("names are served")
	buffer := make([]byte, 1500)
	for {
		count, from, err := socket.ReadFrom(buffer)
		if err != nil {
			return err
		}
		if response := answer(buffer[:count]); response != nil {
			fmt.Println("a name was asked for")
			if _, err := socket.WriteTo(response, from); err != nil {
				return err
			}
		}
	}
}

// certificate makes an authority and a certificate of it for the API server, and returns that with the authority's own as PEM.
func certificate() (tls.Certificate, []byte, error) {
	none := tls.Certificate{}
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return none, nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return none, nil, err
	}
	from, until := time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kubernetes"}, NotBefore: from, NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "kube-apiserver"}, NotBefore: from, NotAfter: until,
		DNSNames: []string{"kubernetes.default.svc"}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	authorityForm, err := x509.CreateCertificate(rand.Reader, authority, authority, &authorityKey.PublicKey, authorityKey)
	if err != nil {
		return none, nil, err
	}
	form, err := x509.CreateCertificate(rand.Reader, server, authority, &key.PublicKey, authorityKey)
	if err != nil {
		return none, nil, err
	}
	return tls.Certificate{Certificate: [][]byte{form}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authorityForm}), nil
}

func hand(connection net.Conn, address string) {
	defer connection.Close()
	upstream, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer upstream.Close()
	go func() {
		_, _ = io.Copy(upstream, connection)
		_ = upstream.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(connection, upstream)
}

func serveAPI(authorityFile, address string) error {
	own, authority, err := certificate()
	if err != nil {
		return err
	}
	if err := os.WriteFile(authorityFile, authority, 0o644); err != nil {
		return err
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:443", &tls.Config{Certificates: []tls.Certificate{own}, NextProtos: []string{"http/1.1"}})
	if err != nil {
		return err
	}
	fmt.Println("the API is served")
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go hand(connection, address)
	}
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: surroundings CA_FILE ADDRESS")
	}
	ended := make(chan error)
	go func() { ended <- serveNames() }()
	go func() { ended <- serveAPI(os.Args[1], os.Args[2]) }()
	log.Fatal(<-ended)
}
