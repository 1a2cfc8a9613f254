/* Keys and self-signed certificates for the TLS tests, made on the spot. */
#ifndef CERTS_H
#define CERTS_H

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include "unit.h"

static inline FILE *create(const char *path, mode_t mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fchmod(fileno(f), mode), 0);
	return f;
}

/* pass NULL: not encrypted. */
static inline void write_key(const char *path, EVP_PKEY *key, const char *pass, mode_t mode)
{
	FILE *f = create(path, mode);

	assert_int_equal(PEM_write_PrivateKey(f, key, pass ? EVP_aes_256_cbc() : NULL,
					      (const unsigned char *)pass,
					      pass ? (int)strlen(pass) : 0, NULL, NULL),
			 1);
	fclose(f);
}

/* A certificate for "localhost", valid from and until so many seconds from now. */
static inline void write_cert(const char *path, EVP_PKEY *key, long from, long until)
{
	FILE *f = create(path, 0644);
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), from);
	X509_gmtime_adj(X509_getm_notAfter(x), until);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1,
				   -1, 0);
	X509_set_issuer_name(x, name);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_X509(f, x), 1);
	fclose(f);
	X509_free(x);
}

/* A new key and its certificate in a new directory; dir is a template for mkdtemp(), cert and
 * key get the paths, of at most size bytes. */
static inline bool write_new_pair(char *dir, char *cert, char *key, size_t size)
{
	EVP_PKEY *pkey;

	if (!mkdtemp(dir))
		return false;
	pkey = EVP_EC_gen("P-256");
	snprintf(cert, size, "%s/cert.pem", dir);
	snprintf(key, size, "%s/key.pem", dir);
	write_cert(cert, pkey, -60, 3600);
	write_key(key, pkey, NULL, 0600);
	EVP_PKEY_free(pkey);
	return true;
}

#endif
