"""Certificates for tests, made by the openssl command."""
import os
import subprocess


SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")


def client_conf(directory, suite):
    """A configuration of OpenSSL for clients that speak that suite only: one of
    SUITES, or "TLSv1.2"; its path, for OPENSSL_CONF."""
    path = os.path.join(directory, "client-%s.cnf" % suite)
    rule = "MaxProtocol = TLSv1.2" if suite == "TLSv1.2" else \
        "MinProtocol = TLSv1.3\nCiphersuites = " + suite
    with open(path, "w") as f:
        f.write("openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\n%s\n" % rule)
    return path


def make(directory, name="server", subject="localhost", days=30):
    """Writes name.crt and name.key; returns their paths."""
    crt = os.path.join(directory, name + ".crt")
    key = os.path.join(directory, name + ".key")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-keyout", key, "-out", crt, "-days", str(days), "-subj", "/CN=" + subject,
         "-addext", "subjectAltName=DNS:%s,IP:127.0.0.1,IP:::1" % subject],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return crt, key
