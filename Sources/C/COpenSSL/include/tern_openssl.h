// SPDX-License-Identifier: Apache-2.0
// What Swift cannot import from OpenSSL 3 (function-like macros), as one inline function each.
#ifndef TERN_OPENSSL_H
#define TERN_OPENSSL_H

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

static inline int tern_ssl_ctx_set_protocol_range(SSL_CTX *context, int least, int most) {
  return SSL_CTX_set_min_proto_version(context, least) == 1 &&
         SSL_CTX_set_max_proto_version(context, most) == 1;
}

static inline int tern_ssl_set_server_name(SSL *ssl, const char *name) {
  return (int)SSL_set_tlsext_host_name(ssl, name);
}

#endif
