"""Certificates for tests, made by the openssl command."""
import os
import subprocess


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
