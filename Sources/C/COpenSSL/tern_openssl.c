// SPDX-License-Identifier: Apache-2.0
#include "tern_openssl.h"

#include <arpa/inet.h>
#include <openssl/pkcs12.h>

int tern_verify_pinned(X509_STORE_CTX *store, const unsigned char *fingerprint) {
  STACK_OF(X509) *chain = X509_STORE_CTX_get0_untrusted(store);
  for (int index = 0; index < sk_X509_num(chain); index++) {
    X509 *certificate = sk_X509_value(chain, index);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int count = 0;
    if (X509_digest(certificate, EVP_sha256(), digest, &count) != 1 || count != 32) return 0;
    if (CRYPTO_memcmp(digest, fingerprint, count) != 0) continue;
    STACK_OF(X509) *trusted = sk_X509_new_null();
    if (trusted == NULL || sk_X509_push(trusted, certificate) < 1) {
      sk_X509_free(trusted);
      return 0;
    }
    X509_STORE_CTX_set0_trusted_stack(store, trusted);
    int verdict = X509_verify_cert(store);
    X509_STORE_CTX_set0_trusted_stack(store, NULL);
    sk_X509_free(trusted);
    return verdict;
  }
  return -1;
}

int tern_write_alternative_names(BIO *bio, X509 *certificate) {
  GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
  if (names == NULL) return 1;
  int is_written = 1;
  for (int index = 0; is_written && index < sk_GENERAL_NAME_num(names); index++) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, index);
    if (name->type == GEN_DNS) {
      const ASN1_IA5STRING *text = name->d.dNSName;
      is_written = BIO_printf(bio, "%.*s\n", ASN1_STRING_length(text),
                              (const char *)ASN1_STRING_get0_data(text)) > 0;
    } else if (name->type == GEN_IPADD) {
      const ASN1_OCTET_STRING *bytes = name->d.iPAddress;
      int family = ASN1_STRING_length(bytes) == 4 ? AF_INET : AF_INET6;
      char text[INET6_ADDRSTRLEN];
      if (family == AF_INET6 && ASN1_STRING_length(bytes) != 16) continue;
      is_written = inet_ntop(family, ASN1_STRING_get0_data(bytes), text, sizeof text) != NULL &&
                   BIO_printf(bio, "%s\n", text) > 0;
    }
  }
  GENERAL_NAMES_free(names);
  return is_written;
}

int tern_write_encrypted_key(BIO *bio, EVP_PKEY *key, const char *passphrase,
                                           int length) {
  int is_written = 0;
  PKCS8_PRIV_KEY_INFO *plain = EVP_PKEY2PKCS8(key);
  X509_ALGOR *method = PKCS5_pbe2_set_scrypt(EVP_aes_256_cbc(), NULL, 16, NULL, 1 << 14, 8, 1);
  X509_SIG *sealed = NULL;
  if (plain != NULL && method != NULL) {
    sealed = PKCS8_set0_pbe(passphrase, length, plain, method);
  }
  if (sealed != NULL) {
    method = NULL; // it belongs to `sealed` now
    is_written = PEM_write_bio_PKCS8(bio, sealed);
  }
  X509_ALGOR_free(method);
  X509_SIG_free(sealed);
  PKCS8_PRIV_KEY_INFO_free(plain);
  return is_written;
}
