// SPDX-License-Identifier: Apache-2.0
// What Swift cannot import from OpenSSL 3 (function-like macros), as one inline function each.
#ifndef TERN_OPENSSL_H
#define TERN_OPENSSL_H

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

static inline int tern_ssl_ctx_set_protocol_range(SSL_CTX *context, int least, int most) {
  return SSL_CTX_set_min_proto_version(context, least) == 1 &&
         SSL_CTX_set_max_proto_version(context, most) == 1;
}

static inline void tern_ssl_ctx_keep_no_sessions(SSL_CTX *context) {
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
}

// An idle connection then holds no record buffers, and the authority's own certificate, which the
// other side has, is not sent with each handshake.
static inline void tern_ssl_ctx_be_lean(SSL_CTX *context) {
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
}

static inline int tern_ssl_set_server_name(SSL *ssl, const char *name) {
  return (int)SSL_set_tlsext_host_name(ssl, name);
}

// An empty memory BIO says "try again" to its reader instead of "end of file".
static inline void tern_bio_retry_when_empty(BIO *bio) { BIO_set_mem_eof_return(bio, -1); }

// The bytes that a memory BIO holds; they stay the BIO's.
static inline long tern_bio_contents(BIO *bio, char **contents) {
  return BIO_get_mem_data(bio, contents);
}

static inline EVP_PKEY *tern_new_p256_key(void) { return EVP_EC_gen("P-256"); }

// The number of the alert from the other side that an error stands for; -1 for other errors.
static inline int tern_error_alert(unsigned long error) {
  int is_alert = ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) > SSL_AD_REASON_OFFSET;
  return is_alert ? ERR_GET_REASON(error) - SSL_AD_REASON_OFFSET : -1;
}

static inline int tern_x509_set_version_3(X509 *certificate) {
  return X509_set_version(certificate, X509_VERSION_3);
}

// Sends `certificate` behind this side's own.
static inline int tern_ssl_send_chain_certificate(SSL *ssl, X509 *certificate) {
  return (int)SSL_add1_chain_cert(ssl, certificate);
}

// Verifies the peer's chain as usual, with one trusted certificate: that of the chain whose
// SHA-256 is `fingerprint`. Gives -1 when there is none, else what X509_verify_cert gives.
int tern_verify_pinned(X509_STORE_CTX *store, const unsigned char *fingerprint);

// Writes the DNS names and IP addresses that a certificate is for, one a line.
int tern_write_alternative_names(BIO *bio, X509 *certificate);

// PKCS#8 under a passphrase: AES-256 with a key by scrypt, N = 2^14, r = 8, p = 1 (RFC 7914).
int tern_write_encrypted_key(BIO *bio, EVP_PKEY *key, const char *passphrase, int length);

#endif
