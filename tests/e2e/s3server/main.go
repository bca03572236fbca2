// Command s3server serves one bucket from memory, by HTTPS on port 8080 with a certificate of its own.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"log"
	"math/big"
	"net/http"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

func certificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

func main() {
	bucket := s3mem.New()
	if err := bucket.CreateBucket("backups"); err != nil {
		log.Fatal(err)
	}
	own, err := certificate()
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{
		Addr:      ":8080",
		Handler:   gofakes3.New(bucket).Server(),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{own}},
	}
	log.Fatal(server.ListenAndServeTLS("", ""))
}
